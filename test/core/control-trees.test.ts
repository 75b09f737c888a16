/**
 * Cancel and kill of trees of calls.
 *
 * They recursed over the calls below within one step: a chain of ten thousand calls overflowed the
 * stack, which ends the process, and a fan-out of a hundred thousand made one giant batch. Now each
 * call is reached by a timer that is due at once, at most 256 in a step.
 */
import { expect, test } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { loadInvocation } from "../../runtime/admin/summary.ts";
import { parseTimerKey } from "../../runtime/core/keys.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, CoreHarness } from "../support/core-harness.ts";
import { SortedTx } from "../support/sorted-tx.ts";

/** Attempt `handle` on connection 1 calls the counter of this key. */
function call(h: CoreHarness, handle: number, key: string, index = 0): void {
  const command = {
    kind: "call",
    index,
    after: 0,
    outside: false,
    name: "",
    target: { service: "counter", key, handler: "add" },
    parameter: bytes(""),
    headers: [],
    idempotencyKey: null,
    completionId: index + 1,
  } as const;
  h.say(1, { kind: "command", attempt: handle, command });
}

interface Built {
  readonly h: CoreHarness;
  readonly tx: SortedTx;
  readonly root: InvocationId;
}

function chainOf(length: number): Built {
  const tx = new SortedTx();
  const h = new CoreHarness({}, { tx });
  h.connect(1, { concurrency: 1_000_000 });
  const root = h.admittedId(h.invoke("counter/0/add", { mode: "send" }));
  // On one connection handles are counted up, so the n-th attempt has handle n.
  for (let nth = 1; nth < length; nth++) call(h, nth, String(nth));
  return { h, tx, root };
}

function fanOf(width: number): Built {
  const tx = new SortedTx();
  const h = new CoreHarness({}, { tx });
  h.connect(1, { concurrency: 1_000_000 });
  const root = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
  for (let nth = 0; nth < width; nth++) call(h, 1, String(nth), nth);
  return { h, tx, root };
}

function control(h: CoreHarness, kind: "cancel" | "kill", invocationId: InvocationId) {
  return h.ask((request) => ({ kind, request, invocationId }));
}

/** The most rows that one input wrote while `act` ran. */
function mostWritten({ h, tx }: Built, act: () => void): number {
  let most = 0;
  const apply = h.apply.bind(h);
  h.apply = (input) => {
    const before = tx.written;
    const effects = apply(input);
    most = Math.max(most, tx.written - before);
    return effects;
  };
  act();
  return most;
}

const openOf = (h: CoreHarness): number =>
  [...h.tx.rows.keys()].filter((key) => key.startsWith("a")).length;

test("the kill of a chain of 10,000 calls ends them all, and overflows nothing", () => {
  const { h, root } = chainOf(10_000);
  expect(openOf(h)).toBe(10_000);
  expect(control(h, "kill", root)).toMatchObject({ kind: "controlled" });
  h.advance(0);
  expect(openOf(h)).toBe(0);
  expect(brokenReferences(h.tx)).toEqual([]);
});

test("the cancellation of a chain of 10,000 calls reaches every one of them", () => {
  const { h, root } = chainOf(10_000);
  control(h, "cancel", root);
  h.advance(0);
  const told = h.messages(1, "deliver").filter((it) => it.delivery.kind === "cancellation");
  expect(new Set(told.map((it) => it.attempt)).size).toBe(10_000);
});

test.each(["cancel", "kill"] as const)("the %s of a fan-out goes on in bounded steps", (kind) => {
  const built = fanOf(5_000);
  const { h, root } = built;
  const most = mostWritten(built, () => {
    control(h, kind, root);
    h.advance(0);
  });
  const cancelled = h.messages(1, "deliver").length;
  const aborted = h.messages(1, "abort").length;
  expect(kind === "cancel" ? cancelled : aborted).toBe(5_001);
  // A kill takes back what its caller waited for in one step: two small rows for each call.
  expect(most).toBeLessThan(kind === "cancel" ? 2_500 : 11_000);
});

test.each(["cancel", "kill"] as const)("a %s goes on where a crash cut it off", (kind) => {
  const { h, root } = fanOf(1_000);
  control(h, kind, root);
  h.apply({ kind: "timers-due" });
  h.restart();
  h.advance(0);
  h.connect(1, { concurrency: 1_000_000 });
  if (kind === "kill") {
    expect(h.starts(1)).toEqual([]);
  } else {
    const replayed = h.messages(1, "replay").flatMap((it) => it.entries);
    const told = replayed.filter(
      (it) => it.kind === "delivery" && it.delivery.kind === "cancellation",
    );
    expect(told.length).toBe(1_001);
  }
  expect(brokenReferences(h.tx)).toEqual([]);
});

test("one that ended, or was purged, before a kill reached it is left alone", () => {
  const h = new CoreHarness({ journalRetentionMs: 0 });
  h.connect(1);
  const root = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
  call(h, 1, "ends", 0);
  call(h, 1, "is purged", 1);
  control(h, "kill", root);
  h.say(1, { kind: "end", attempt: 2, result: { ok: true, value: bytes("1") } });
  const purged = h.starts(1).find((it) => it.target.key === "is purged")?.invocationId;
  control(h, "kill", purged!);
  h.ask((request) => ({ kind: "purge", request, invocationId: purged! }));
  h.advance(0);
  expect(brokenReferences(h.tx)).toEqual([]);
});

// Timers were all taken before the first was acted on: the retry of what had just been killed ended
// the runtime.
test.each(["cancel", "kill"] as const)(
  "a %s that comes in one step with what its callee had coming takes it away",
  (kind) => {
    const h = new CoreHarness();
    h.connect(1);
    const root = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
    call(h, 1, "backs off", 0);
    call(h, 1, "sleeps", 1);
    h.attempt(1).issue({ kind: "sleep", durationMs: 5, completionId: 1 });
    h.attempt(1, 1).fail("boom");
    control(h, kind, root);
    h.nowMs += 60_000;
    h.apply({ kind: "timers-due" });
    expect(brokenReferences(h.tx)).toEqual([]);
    expect(h.starts(1).length).toBe(kind === "kill" ? 3 : 4);
  },
);

test("a kill reaches the calls that an earlier cancellation had reached and that are still at work", () => {
  const { h, root } = chainOf(3);
  control(h, "cancel", root);
  h.advance(0);
  expect(openOf(h)).toBe(3);
  control(h, "kill", root);
  h.advance(0);
  expect(openOf(h)).toBe(0);
});

test("a cancellation leaves no wait behind that nobody waits for", () => {
  const h = new CoreHarness();
  h.connect(1);
  const other = h.admittedId(h.invoke("counter/other/add", { mode: "send" }));
  const id = h.admittedId(h.invoke("signup/x/run", { mode: "send" }));
  const attempt = h.attempt(1);
  attempt.issue({ kind: "sleep", durationMs: 60_000, completionId: 1 });
  attempt.issue({ kind: "awakeable", completionId: 2 });
  attempt.issue({ kind: "attach", invocationId: other, completionId: 3 });
  attempt.issue({ kind: "get-promise", promise: "approved", completionId: 4 });
  const isSleep = (row: string) => row.startsWith("t") && parseTimerKey(row).kind === "sleep";
  const waits = () => [...h.tx.rows.keys()].filter((row) => /^[pwQ]/.test(row) || isSleep(row));
  expect(waits().length).toBe(4 + 1 + 1 + 1);
  control(h, "cancel", id);
  expect(waits()).toEqual([]);
  // What was issued before the code saw the cancellation, and arrives after it.
  attempt.issue({ kind: "sleep", durationMs: 60_000, completionId: 5 }, { after: 0 });
  attempt.issue({ kind: "awakeable", completionId: 6 }, { after: 0 });
  attempt.issue({ kind: "attach", invocationId: other, completionId: 7 }, { after: 0 });
  attempt.issue({ kind: "get-promise", promise: "approved", completionId: 8 }, { after: 0 });
  expect(waits()).toEqual([]);
  const sequence = parseInvocationId(id)?.sequence ?? 0;
  expect(loadInvocation(h.tx, sequence)).toMatchObject({ commands: 8, pending: 0 });
  // A compensation waits as anything does, and is cancelled as anything is.
  attempt.issue({ kind: "sleep", durationMs: 60_000, completionId: 9 }, { after: 1 });
  expect(waits().length).toBe(2);
  control(h, "cancel", id);
  expect(waits()).toEqual([]);
  expect(attempt.deliveries().map((it) => it.kind)).toEqual(["cancellation", "cancellation"]);
  expect(brokenReferences(h.tx)).toEqual([]);
});
