import { measured } from "../harness/costs.ts";
import { spreadOf } from "../harness/numbers.ts";
import { checkSum, watch } from "./counter-load.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const MESSAGES = 1_000;
/** One takes so little that it says little. */
const TRIES = 5;

/**
 * Warmed up by as many messages as the other workloads by requests. The first two fan-outs of fresh processes,
 * in which most of the time goes to their compilers, stand beside: the goal is held against the second, too.
 */
export const fanOut = workload({
  id: 8,
  title: "one handler sends 1,000 messages to 1,000 keys, until all are done",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "all done ms", better: "lower", must: { ratio: 0.3 }, aim: { ratio: 0.2 } },
    { name: "answered ms", better: "lower" },
    { name: "the first ms", better: "lower" },
    { name: "the second ms", better: "lower", must: { ratio: 0.3 }, aim: { ratio: 0.2 } },
  ],
  setup: async (world) => {
    const fanOuts = Math.max(2, Math.floor(world.scale.warmUpRequests / MESSAGES));
    const { doneMs } = await fanOutTimes(world, fanOuts, 0);
    return {
      firstMs: doneMs[0] ?? Number.NaN,
      secondMs: doneMs[1] ?? Number.NaN,
      sent: fanOuts * MESSAGES,
    };
  },
  run: async (world, { firstMs, secondMs, sent }) => {
    const { value, costs } = await measured(watch(world.system), () =>
      fanOutTimes(world, TRIES, sent),
    );
    const messages = TRIES * MESSAGES;
    return {
      figures: {
        "all done ms": spreadOf(value.doneMs).median,
        "answered ms": spreadOf(value.answeredMs).median,
        "the first ms": firstMs,
        "the second ms": secondMs,
      },
      details: {
        "bytes written/message": costs.bytesWritten / messages,
        "runtime µs/message": costs.runtimeCpuUs / messages,
        "worker µs/message": costs.workerCpuUs / messages,
      },
      evidence: messages,
    };
  },
  check: async (world, sent, { sent: before }) => {
    const { counts } = await world.tally();
    expectEqual("the number of adds that were executed", counts["adds"] ?? 0, sent + before);
    await checkSum(world, sent + before);
  },
});

interface FanOutTimes {
  readonly doneMs: readonly number[];
  readonly answeredMs: readonly number[];
}

/** One after the other; `sent`: messages of those before them. */
async function fanOutTimes(world: World, fanOuts: number, sent: number): Promise<FanOutTimes> {
  const doneMs: number[] = [];
  const answeredMs: number[] = [];
  for (let nth = 1; nth <= fanOuts; nth++) {
    const took = await sendAll(world, sent + nth * MESSAGES);
    doneMs.push(took.doneMs);
    answeredMs.push(took.answeredMs);
  }
  return { doneMs, answeredMs };
}

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
