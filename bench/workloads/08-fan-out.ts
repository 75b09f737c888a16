import { measured } from "../harness/costs.ts";
import { checkSum, watch } from "./counter-load.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const MESSAGES = 1_000;

export const fanOut = workload({
  id: 8,
  title: "one handler sends 1,000 messages to 1,000 keys, until all are done",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "all done ms", better: "lower", must: { ratio: 0.3 }, aim: { ratio: 0.2 } },
    { name: "answered ms", better: "lower" },
  ],
  setup: async (world) => {
    await sendAll(world, MESSAGES);
    return MESSAGES;
  },
  run: async (world, before) => {
    const { value, costs } = await measured(watch(world.system), () =>
      sendAll(world, before + MESSAGES),
    );
    return {
      figures: { "all done ms": value.doneMs, "answered ms": value.answeredMs },
      details: {
        "bytes written/message": costs.bytesWritten / MESSAGES,
        "runtime µs/message": costs.runtimeCpuUs / MESSAGES,
        "worker µs/message": costs.workerCpuUs / MESSAGES,
      },
      evidence: MESSAGES,
    };
  },
  check: async (world, sent, before) => {
    const { counts } = await world.tally();
    expectEqual("the number of adds that were executed", counts["adds"] ?? 0, sent + before);
    await checkSum(world, sent + before);
  },
});

/** Done: every message has run, and a call after them to the last key has a durable answer. */
async function sendAll(
  world: World,
  addsThen: number,
): Promise<{ readonly doneMs: number; readonly answeredMs: number }> {
  const startedAt = performance.now();
  const ran = world.tallyReaches("adds", addsThen);
  await world.call("/fan/out", { messages: MESSAGES, keys: MESSAGES });
  const answeredMs = performance.now() - startedAt;
  await ran;
  await world.call(`/counter/k${MESSAGES - 1}/read`, null);
  return { doneMs: performance.now() - startedAt, answeredMs };
}
