/**
 * T3: work that arrives in the very moment of recovery. Others took what had just started for something
 * that was left over, and ran it twice (dbos-transact-java#488, #491, #493: the same millisecond), or had
 * two recoveries work through one list (dbos-transact-ts#1205, #1207, #1219).
 */
import { expect, test } from "vitest";
import { MemoryDisk } from "../../runtime/store/memory.ts";
import { LoopWorld } from "../support/loop-world.ts";

/** A world in which `old` runs and `waiting` waits behind it, cut off; the clock stands from here on. */
async function cutOff(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const world = new LoopWorld({ disk, onStart: () => undefined });
  await world.loop.start();
  world.connect(1);
  world.invoke("k", { idempotencyKey: "old", mode: "send" });
  world.invoke("k", { idempotencyKey: "waiting", mode: "send" });
  await world.loop.idle();
  expect(world.starts).toHaveLength(1);
  return disk;
}

type Moment = "before the start" | "in its tick" | "at its first commit" | "as it is ready";

const MOMENTS: readonly Moment[] = [
  "before the start",
  "in its tick",
  "at its first commit",
  "as it is ready",
];

test.each(MOMENTS.flatMap((worker) => MOMENTS.map((work) => [worker, work] as const)))(
  "T3: a worker that comes %s and work that comes %s: each runs once, in the order of acceptance",
  async (workerAt, workAt) => {
    const disk = await cutOff();
    const answered: string[] = [];
    const todo = new Map<Moment, (() => void)[]>();
    const at = (moment: Moment, act: () => void): void => {
      todo.set(moment, [...(todo.get(moment) ?? []), act]);
    };
    const happens = (moment: Moment): void => {
      for (const act of todo.get(moment) ?? []) act();
      todo.delete(moment);
    };
    const world = new LoopWorld({
      disk,
      later: (what, act) => {
        setImmediate(act);
        if (what === "commit") happens("at its first commit");
      },
      onStart: (it, connection, start) => {
        answered.push(start.idempotencyKey ?? "");
        it.end(connection, start);
      },
    });
    at(workerAt, () => world.connect(1));
    at(workAt, () => world.invoke("k", { idempotencyKey: "new" }));
    // The same as something that recovery holds already: it is no second one.
    at(workAt, () => world.invoke("k", { idempotencyKey: "old" }));
    happens("before the start");
    const started = world.loop.start();
    happens("in its tick");
    await started;
    happens("at its first commit");
    happens("as it is ready");
    await world.loop.idle();
    expect(answered).toEqual(["old", "waiting", "new"]);
    expect([...world.responses.values()].map((it) => it.kind)).toEqual(["completed", "completed"]);
    expect(world.fatal).toEqual([]);
  },
);

test("T3: two recoveries of one disk at the same moment: the first to open serves nobody any more", async () => {
  const disk = await cutOff();
  const first = new LoopWorld({ disk });
  const second = new LoopWorld({ disk });
  first.connect(1);
  second.connect(1);
  const [one, two] = await Promise.allSettled([first.loop.start(), second.loop.start()]);
  expect([one.status, two.status]).toEqual(["rejected", "fulfilled"]);
  expect(first.fatal).toHaveLength(1);
  expect(first.starts).toEqual([]);
  await second.loop.idle();
  expect(second.starts.map((it) => it.idempotencyKey)).toEqual(["old", "waiting"]);
});
