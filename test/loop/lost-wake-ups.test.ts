/**
 * T7: work arrives exactly while the loop goes idle. Turns, commits, alarms, what the worker says and
 * what clients ask come in every order that fast-check can think of; each order ends with everything
 * answered. (Others lost the event that came between "nothing to do" and "asleep".)
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { brokenReferences } from "../support/check-rows.ts";
import { LoopWorld } from "../support/loop-world.ts";

/** Lets the microtasks run dry, so that all that can be scheduled is. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function everything(scheduler: fc.Scheduler): Promise<void> {
  for (;;) {
    await settle();
    if (scheduler.count() === 0) return;
    await scheduler.waitOne();
  }
}

const plans = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  keys: fc.array(fc.constantFrom("a", "a", "b", "c", "d"), { minLength: 1, maxLength: 7 }),
  reconnects: fc.boolean(),
  congested: fc.boolean(),
  /** The worker answers within the turn that told it, as one in the same process may. */
  atOnce: fc.boolean(),
});

test("T7: whatever comes while the loop goes idle is answered, in every order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plans, async (scheduler, plan) => {
      const later = (what: string, act: () => void): void =>
        void scheduler.schedule(Promise.resolve(what), what).then(act);
      const world = new LoopWorld({
        later,
        onStart: (it, connection, start) => {
          if (plan.atOnce) it.end(connection, start);
          else later("end", () => it.end(connection, start));
        },
      });
      void world.loop.start();
      const requests: number[] = [];
      later("connect", () => world.connect(1, plan.concurrency));
      for (const key of plan.keys) later("invoke", () => requests.push(world.invoke(key)));
      if (plan.congested) {
        for (const congested of [true, false]) {
          const input = { kind: "worker-congestion", connection: 1, congested } as const;
          later("congestion", () => world.submit(input));
        }
      }
      if (plan.reconnects) later("lose", () => world.lose(1));
      await everything(scheduler);
      // Lost before it came, or still congested: a worker with room takes what is left.
      world.connect(2, plan.concurrency);
      await everything(scheduler);
      expect(world.fatal).toEqual([]);
      // Before the service was registered it was not known.
      const answers = requests.map((it) => world.responses.get(it));
      for (const answer of answers) {
        expect(answer).toSatisfy(
          (it) => it?.kind === "completed" || (it?.kind === "refused" && it.code === 404),
        );
      }
      expect(brokenReferences(world.store)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});

test("T7: what comes in the turn in which the last one ends is started at once, behind the commit", async () => {
  const turns: (() => void)[] = [];
  const world = new LoopWorld({
    later: (what, act) => {
      if (what === "turn") turns.push(act);
      else if (what === "commit") setImmediate(act);
    },
    onStart: () => undefined,
  });
  const turn = async (): Promise<void> => {
    for (const act of turns.splice(0)) act();
    await settle();
    await settle();
  };
  const starting = world.loop.start();
  await settle();
  await starting;
  world.connect(1);
  const first = world.invoke("a");
  await turn();
  await turn();
  for (let i = 0; i < 20; i++) {
    const start = world.starts.at(-1);
    if (start === undefined) throw new Error("the worker has room");
    const before = world.starts.length;
    // In one turn: the key is released, and asked for.
    if (i % 2 === 0) world.end(1, start);
    world.invoke("a");
    if (i % 2 === 1) world.end(1, start);
    // It begins when the batch with that end in it is closed.
    await turn();
    await turn();
    expect(world.starts.length).toBe(before + 1);
  }
  expect(world.responses.get(first)).toMatchObject({ kind: "completed" });
});
