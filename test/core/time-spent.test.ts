/** Where the time of an invocation went: each millisecond of its age is in exactly one status. */
import { expect, test } from "vitest";
import { INVOCATIONS, prefixEnd, readU48 } from "../../runtime/core/keys.ts";
import type { Invocation } from "../../runtime/core/invocation.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { CoreHarness } from "../support/core-harness.ts";

const records = (h: CoreHarness): Invocation[] =>
  h.tx
    .range({ from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 1_000 })
    .map(([key, row]) => decodeInvocation(readU48(key, 1), row));

/** Those that are not zero. */
const spent = (it: Invocation | undefined): Record<string, number> =>
  Object.fromEntries(Object.entries(it?.spentMs ?? {}).filter(([, ms]) => ms > 0));

/** What is told beside the statuses. */
const BESIDE = new Set(["disk", "runs-backing-off"]);

const total = ({ spentMs }: Invocation): number =>
  Object.entries(spentMs).reduce((sum, [what, ms]) => (BESIDE.has(what) ? sum : sum + ms), 0);

test("a call that goes through everything: scheduled, ready, running, backing off, suspended", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.lose(1);
  h.invoke("greeter/greet", { mode: "send", delayMs: 700 });
  h.advance(700);
  h.advance(30);
  h.connect(2);
  h.advance(5);
  h.attempt(2).fail("boom");
  h.advance(60_000);
  const attempt = h.attempt(2);
  attempt.issue({ kind: "sleep", durationMs: 5_000, completionId: 1 });
  attempt.suspend();
  h.advance(10_000);
  h.attempt(2).end("1");
  const [it] = records(h);
  expect(it?.status).toBe("completed");
  const { scheduled, ready, suspended } = it?.spentMs ?? {};
  expect({ scheduled, ready, suspended }).toEqual({ scheduled: 700, ready: 30, suspended: 5_000 });
  expect(it && total(it)).toBe(10_000 + 60_000 + 735);
});

test("what waits for its key waits in the inbox; what is paused is paused", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("counter/a/add");
  const request = h.invoke("counter/a/add", { mode: "send" });
  h.advance(1_200);
  h.attempt(1, 0).end("1");
  h.advance(40);
  const invocationId = h.admittedId(request);
  h.ask((ask) => ({ kind: "pause", request: ask, invocationId }));
  h.advance(900);
  h.ask((ask) => ({ kind: "resume", request: ask, invocationId }));
  h.advance(1);
  h.attempt(1).end("2");
  expect(spent(records(h)[1])).toEqual({ inboxed: 1_200, running: 41, paused: 900 });
});

test("the present status is not in it yet, and a restart forgets nothing", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("counter/a/add");
  h.invoke("counter/a/add");
  h.advance(250);
  h.restart();
  h.advance(50);
  expect(records(h).map((it) => [it.status, spent(it)])).toEqual([
    ["ready", { running: 250 }],
    ["inboxed", {}],
  ]);
});

test("what the shell says of the disk is added up, for the attempt that it is said of", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("greeter/greet");
  const attempt = h.attempt(1);
  const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
  const command = attempt.issue(run);
  h.advance(10);
  const result = { ok: true, value: new Uint8Array() } as const;
  const said = { attempt: attempt.handle, command, try: 1, result, deliveries: null };
  const message = { kind: "run-result", ...said } as const;
  h.apply({ kind: "worker-message", connection: 1, ordinal: 3, message, diskWaitMs: 7 });
  const zombie = { ...message, attempt: 99 } as const;
  h.apply({ kind: "worker-message", connection: 1, ordinal: 4, message: zombie, diskWaitMs: 9 });
  attempt.end("1");
  expect(spent(records(h)[0])).toEqual({ running: 10, disk: 7 });
});

test("a run that waits for its next try is told beside the status, as far as it has waited", () => {
  const h = new CoreHarness();
  h.connect(1);
  const request = h.invoke("greeter/greet", { mode: "send" });
  const attempt = h.attempt(1);
  const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
  const command = attempt.issue(run);
  const failure = { name: "Error", message: "boom", code: 500 };
  const failed = { kind: "run-failed", attempt: attempt.handle, command, failure } as const;
  h.say(1, { ...failed, try: 1, retryAfterMs: 2_000 });
  h.advance(2_000);
  h.advance(40);
  h.say(1, { ...failed, try: 2, retryAfterMs: 5_000 });
  h.advance(1_500);
  // A cancellation takes the second wait back before its time.
  h.ask((ask) => ({ kind: "cancel", request: ask, invocationId: h.admittedId(request) }));
  h.attempt(1).end("1");
  expect(spent(records(h)[0])).toEqual({ running: 3_540, "runs-backing-off": 3_500 });
});
