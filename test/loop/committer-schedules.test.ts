/**
 * The committer under every order of promises: commits settle when the scheduler says, writes and
 * demands come in between, one commit may fail. fast-check makes the schedule smaller when it fails.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Committer } from "../../runtime/committer.ts";
import { decodeBatch } from "../../runtime/store/batch.ts";
import { Overlay } from "../../runtime/store/overlay.ts";
import { MemoryDisk, MemoryStore } from "../../runtime/store/memory.ts";

type Action = "write" | "demand" | "time goes on" | "a full batch";
/** A full batch is a mebibyte: seldom. */
const ACTIONS: readonly Action[] = [
  ...Array.from({ length: 8 }, () => "write" as const),
  ...Array.from({ length: 6 }, () => "demand" as const),
  ...Array.from({ length: 5 }, () => "time goes on" as const),
  "a full batch",
];
const actions = fc.array(fc.constantFrom<Action>(...ACTIONS), { minLength: 1, maxLength: 20 });
const MIB = 1024 * 1024;

interface Seen {
  /** Numbers in the order in which they were given to the store. */
  readonly submitted: number[];
  /** Numbers in the order in which they were told to be durable, and how many commits were open. */
  readonly durable: number[];
  readonly fatal: string[];
  inFlightMax: number;
}

/** A store whose commits settle in order, each when the scheduler lets it. */
function storeOf(scheduler: fc.Scheduler, failsAt: number, seen: Seen): MemoryStore {
  const store = MemoryStore.open({ disk: new MemoryDisk(), completion: "manual" });
  let before: Promise<unknown> = Promise.resolve();
  let inFlight = 0;
  store.commit = (bytes) => {
    const { number } = decodeBatch(bytes);
    seen.submitted.push(number);
    seen.inFlightMax = Math.max(seen.inFlightMax, ++inFlight);
    const flushed = scheduler.schedule(Promise.resolve(), `commit ${number}`);
    const own = Promise.all([before, flushed]).then(() => {
      inFlight--;
      if (number >= failsAt) throw new Error("EIO");
    });
    before = own.catch(() => undefined);
    return own;
  };
  return store;
}

test("batches become durable once, in order, none after a failure, and no more at once than there may be", async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    actions,
    fc.integer({ min: 1, max: 3 }),
    fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 6 })),
    async (scheduler, plan, commitsInFlightMax, failsAt) => {
      const seen: Seen = { submitted: [], durable: [], fatal: [], inFlightMax: 0 };
      const store = storeOf(scheduler, failsAt, seen);
      const overlay = new Overlay(store, 0);
      let nowMs = 1_000;
      let writes = 0;
      const committer = new Committer({
        store,
        overlay,
        partition: 0,
        clock: { nowMs: () => nowMs },
        commitsInFlightMax,
        onSeal: () => undefined,
        onDurable: (number) => {
          seen.durable.push(number);
          committer.commitIfDue();
        },
        onFatal: (error) => seen.fatal.push(error.message),
      });
      const act = (action: Action): void => {
        if (action === "demand") committer.demand();
        else if (action === "time goes on") nowMs += 10;
        else {
          overlay.put(`key ${writes++}`, new Uint8Array(action === "write" ? 1 : MIB));
          committer.touch();
        }
        committer.commitIfDue();
      };
      const sequence = plan.map((action) => async (): Promise<void> => {
        await Promise.resolve();
        act(action);
      });
      const done = scheduler.scheduleSequence(sequence);
      await scheduler.waitFor(done.task);
      committer.demand();
      committer.commitIfDue();
      await scheduler.waitIdle();

      const inOrder = seen.submitted.map((_, at) => at + 1);
      expect(seen.submitted).toEqual(inOrder);
      const whole = inOrder.filter((it) => it < failsAt);
      expect(seen.durable).toEqual(whole);
      const failed = seen.submitted.some((it) => it >= failsAt);
      expect(seen.fatal).toEqual(failed ? ["EIO"] : []);
      expect(seen.inFlightMax).toBeLessThanOrEqual(commitsInFlightMax);
      if (!failed) expect([overlay.openWrites, committer.undurableBytes]).toEqual([0, 0]);
    },
  );
  await fc.assert(property, { numRuns: 100 });
}, 120_000);
