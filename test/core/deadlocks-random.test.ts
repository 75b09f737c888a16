/**
 * The search for deadlocks against its definition: after every `idle`, the largest set of invocations
 * that wait for nobody outside it is computed anew from the rows, the slow way.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Invocation, invocationIdOf } from "../../runtime/core/invocation.ts";
import { INVOCATIONS, lockKey, prefixEnd, readU48 } from "../../runtime/core/keys.ts";
import { pendingsOf } from "../../runtime/core/pendings.ts";
import { decodeInvocation, decodeLock } from "../../runtime/core/rows.ts";
import { brokenReferences } from "../support/check-rows.ts";
import type { Start } from "../../protocol/message.ts";
import { bytes, CoreHarness, type ScriptedAttempt } from "../support/core-harness.ts";

const KEYS = ["a", "b", "c", "d"];

/** By sequence: those whose last word was that they only wait for others. */
function stuckOf(h: CoreHarness, waiting: ReadonlySet<number>): Set<number> {
  const rows = h.tx.range({ from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 10_000 });
  const all = new Map(
    rows.map(([key, row]) => [readU48(key, 1), decodeInvocation(readU48(key, 1), row)]),
  );
  const blocker = (sequence: number): number => {
    const target = all.get(sequence);
    if (target?.status !== "inboxed") return sequence;
    const lock = h.tx.get(lockKey(target.target.service, target.target.key ?? ""));
    return decodeLock(lock ?? new Uint8Array()).holder;
  };
  const stuck = new Set([...waiting].filter((it) => (all.get(it)?.pending ?? 0) > 0));
  const staysStuck = (it: Invocation): boolean =>
    [...pendingsOf(h.tx, it)].every(([, pending]) => {
      if (pending.kind === "call") return stuck.has(blocker(pending.child));
      return pending.kind === "attach" && stuck.has(blocker(pending.target));
    });
  for (let before = -1; before !== stuck.size;) {
    before = stuck.size;
    for (const sequence of stuck) {
      const it = all.get(sequence);
      if (it === undefined || !staysStuck(it)) stuck.delete(sequence);
    }
  }
  return stuck;
}

const step = fc.record({
  actor: fc.nat(20),
  act: fc.constantFrom("call", "call", "call", "shared", "attach", "sleep", "end", "suspend"),
  key: fc.constantFrom(...KEYS),
  other: fc.nat(20),
  waits: fc.boolean(),
});

test("what is called a deadlock is one, and none is left", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const h = new CoreHarness();
      h.connect(1);
      for (const key of KEYS) h.invoke(`counter/${key}/add`, { mode: "send" });
      const waiting = new Set<number>();
      const heard = new Map<number, number>();
      const ended = new Set<number>();
      const completionIds = new Map<number, number>();
      const attempts = new Map<number, ScriptedAttempt>();
      const attemptOf = (start: Start): ScriptedAttempt => {
        const known = attempts.get(start.attempt);
        const attempt = known ?? h.attempt(1, h.starts(1).indexOf(start));
        attempts.set(start.attempt, attempt);
        return attempt;
      };
      const sequenceOf = (it: ScriptedAttempt): number => sequenceIn(h, it);
      // Whoever was told something, or started again, is alive until it says otherwise.
      const noticeDeliveries = (): void => {
        for (const it of h.starts(1).filter(({ attempt: handle }) => !ended.has(handle))) {
          if (!attempts.has(it.attempt)) waiting.delete(sequenceOf(attemptOf(it)));
          const one = attemptOf(it);
          const told = one.deliveries().length;
          if (told > (heard.get(it.attempt) ?? 0)) waiting.delete(sequenceOf(one));
          heard.set(it.attempt, told);
        }
      };
      for (const { actor, act, key, other, waits } of steps) {
        const live = h.starts(1).filter((it) => !ended.has(it.attempt));
        const start = live[actor % live.length];
        if (start === undefined) return;
        const attempt = attemptOf(start);
        const sequence = sequenceOf(attempt);
        const completionId = (completionIds.get(sequence) ?? 0) + 1;
        completionIds.set(sequence, completionId);
        const call = { parameter: bytes(""), headers: [], idempotencyKey: null, completionId };
        const handler = act === "shared" ? "read" : "add";
        if (act === "call" || act === "shared")
          attempt.issue({ kind: "call", ...call, target: { service: "counter", key, handler } });
        else if (act === "attach") {
          const { invocationId } = live[other % live.length] ?? start;
          attempt.issue({ kind: "attach", invocationId, completionId });
        } else if (act === "sleep") attempt.issue({ kind: "sleep", durationMs: 1e6, completionId });
        else if (act === "end") {
          attempt.end("1");
          ended.add(start.attempt);
        } else if (waiting.has(sequence)) {
          attempt.suspend();
          ended.add(start.attempt);
          noticeDeliveries();
          continue;
        }
        waiting.delete(sequence);
        noticeDeliveries();
        if (act === "end" || act === "suspend" || !waits || act === "sleep") continue;
        waiting.add(sequence);
        const found = h.warnings.length;
        const expected = stuckOf(h, waiting);
        attempt.idle();
        expect(h.warnings.length - found, `${[...expected].join()} are stuck`).toBe(
          expected.size > 0 ? 1 : 0,
        );
        noticeDeliveries();
        expect(brokenReferences(h.tx)).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
});

function sequenceIn(h: CoreHarness, attempt: ScriptedAttempt): number {
  const rows = h.tx.range({ from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 10_000 });
  const found = rows.find(([key, row]) => {
    const it = decodeInvocation(readU48(key, 1), row);
    return invocationIdOf(it) === attempt.start.invocationId;
  });
  return found === undefined ? 0 : readU48(found[0], 1);
}
