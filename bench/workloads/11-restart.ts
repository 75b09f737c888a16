import { sendLater } from "./hold.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const PATH = "/counter/witness/add";

export const restart = restartWith({
  id: 11,
  title: "kill -9 with 100,000 held, until the first keyed answer",
  peers: ["holdfast", "restate"],
  goal: { must: { ratio: 0.6 }, aim: { ratio: 0.4 } },
  heldOf: ({ scale }) => scale.held,
});

export const restartWithMany = restartWith({
  id: 11,
  title: "the same with 1,000,000 held",
  peers: ["holdfast"],
  goal: { must: { value: 6_000 }, aim: { value: 3_000 } },
  heldOf: ({ scale }) => scale.heldMany,
});

interface Variant extends Pick<Parameters<typeof workload>[0], "id" | "title" | "peers"> {
  readonly goal: { readonly must: Goal; readonly aim: Goal };
  readonly heldOf: (world: World) => number;
}

type Goal = { readonly ratio: number } | { readonly value: number };

function restartWith({ id, title, peers, goal, heldOf }: Variant): ReturnType<typeof workload> {
  return workload({
    id,
    title,
    peers,
    metrics: [
      { name: "first answer ms", better: "lower", ...goal },
      { name: "ready ms", better: "lower" },
    ],
    setup: async (world) => {
      const held = heldOf(world);
      const { distinctIds } = await sendLater(world, { requests: held });
      expectEqual("the number of distinct invocation ids", distinctIds, held);
      return await world.call(PATH, 1);
    },
    run: async (world) => {
      await world.system.killRuntime();
      const startedAt = performance.now();
      await world.system.restartRuntime();
      const readyMs = performance.now() - startedAt;
      // The worker dials or is dialled by itself; the call waits for it.
      const answer = await world.call(PATH, 1);
      const firstMs = performance.now() - startedAt;
      return {
        figures: { "first answer ms": firstMs, "ready ms": readyMs },
        details: { held: heldOf(world) },
        evidence: answer,
      };
    },
    check: async (world, answer, before) => {
      expectEqual("the counter after the restart", Number(answer), Number(before) + 1);
      const counted = Math.min(heldOf(world), 10_000);
      const held = await world.system.countHeld("scheduled", counted);
      if (held < counted) throw new Error(`check failed: only ${held} are still held`);
    },
  });
}
