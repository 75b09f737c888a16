/**
 * F18: the runtime dies between any two pieces of a removal, with any of its commits on the disk.
 * What is there afterwards is whole, and the next runtime goes on until nothing is left.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EXPIRIES, INVOCATIONS, prefixEnd } from "../../runtime/core/keys.ts";
import { PURGE_STEP_MS } from "../../runtime/core/purge.ts";
import { MemoryDisk } from "../../runtime/store/memory.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { LoopWorld } from "../support/loop-world.ts";

const RETENTION_MS = 1_000;
const limits = { journalRetentionMs: RETENTION_MS, idempotencyRetentionMs: 2 * RETENTION_MS };
const COUNT = 300;

const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A runtime on this disk, recovered; commits are done when the test says so. */
async function started(
  disk: MemoryDisk,
  nowMs: number,
): Promise<{ world: LoopWorld; commit: () => Promise<void> }> {
  const world = new LoopWorld({
    disk,
    limits,
    later: (what, act) => {
      if (what === "turn") setImmediate(act);
    },
  });
  world.nowMs = nowMs;
  const commit = async (): Promise<void> => {
    for (await settle(); world.store.pendingCount > 0; await settle()) world.store.completeNext();
  };
  const starting = world.loop.start();
  await commit();
  await starting;
  return { world, commit };
}

function rows(disk: MemoryDisk, prefix: string): number {
  return disk.rows.range({ from: prefix, to: prefixEnd(prefix), limit: 10_000 }).length;
}

test("F18: a crash between any two pieces, with any commits on the disk", async () => {
  const crashes = fc.array(fc.record({ steps: fc.nat(3), keep: fc.nat(4) }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(crashes, async (plan) => {
      const disk = new MemoryDisk();
      const first = await started(disk, 1_000_000);
      first.world.connect(1);
      for (let i = 0; i < COUNT; i++) {
        first.world.invoke(`k${i % 20}`, { idempotencyKey: i % 3 === 0 ? `i${i}` : null });
      }
      await first.commit();
      expect(rows(disk, INVOCATIONS)).toBe(COUNT);
      first.world.store.crash(0);
      let nowMs = 1_000_000 + RETENTION_MS;
      for (const { steps, keep } of [...plan, { steps: 20, keep: 1_000 }]) {
        const { world } = await started(disk, nowMs);
        for (let i = 0; i <= steps; i++) {
          world.nowMs = nowMs += PURGE_STEP_MS;
          world.submit({ kind: "timers-due" });
          // Some pieces are on their way together, some wait for the commit before.
          await settle();
          if (i % 2 === 1) world.store.completeNext();
        }
        expect(world.fatal).toEqual([]);
        await settle();
        world.store.crash(keep);
        expect(brokenReferences(world.store)).toEqual([]);
      }
      nowMs += 2 * RETENTION_MS;
      const last = await started(disk, nowMs);
      for (let i = 0; i < 20; i++) {
        last.world.nowMs = nowMs += PURGE_STEP_MS;
        last.world.submit({ kind: "timers-due" });
        await last.commit();
      }
      expect(rows(disk, INVOCATIONS) + rows(disk, EXPIRIES) + rows(disk, "y")).toBe(0);
      expect(brokenReferences(last.world.store)).toEqual([]);
    }),
    { numRuns: 20 },
  );
});
