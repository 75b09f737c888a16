/**
 * Rule 9: a deadlock is an error, found and named at once, and nothing else is taken for one.
 * T16 of the bugs that others had: a call to one's own key, or A and B each calling the other's, hung
 * for ever (restate#199).
 */
import { describe, expect, test } from "vitest";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, CoreHarness, ScriptedAttempt } from "../support/core-harness.ts";
import type { Start } from "../../protocol/message.ts";

const add = (key: string) => ({ service: "counter", key, handler: "add" });
const callTo = (target: { service: string; key: string | null; handler: string }, id: number) =>
  ({
    kind: "call",
    target,
    parameter: bytes("1"),
    headers: [],
    idempotencyKey: null,
    completionId: id,
  }) as const;

function started(h: CoreHarness, path: string): ScriptedAttempt {
  h.invoke(path, { mode: "send" });
  return h.attempt(1);
}

/** The running attempt of the invocation on this path, whichever connection it is on. */
function attemptOf(h: CoreHarness, key: string, handler = "add"): ScriptedAttempt {
  const isIt = (it: Start): boolean => it.target.key === key && it.target.handler === handler;
  const start = h.starts(1).findLast(isIt);
  if (start === undefined) throw new Error(`no attempt of ${key}/${handler}`);
  return new ScriptedAttempt(h, 1, start);
}

function failureOf(attempt: ScriptedAttempt) {
  const failures = attempt.deliveries().flatMap((it) => {
    return it.kind === "completion" && it.result.kind === "failure" ? [it.result.failure] : [];
  });
  return failures.at(-1);
}

const expectNoDeadlock = (h: CoreHarness): void =>
  expect(h.warnings.filter((it) => it.startsWith("deadlock"))).toEqual([]);

describe("a deadlock is found and named", () => {
  test("when a handler calls its own key", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("a"), 1));
    a.idle();
    expect(failureOf(a)).toMatchObject({ name: "DeadlockError", code: 409 });
    expect(failureOf(a)?.message).toContain(`counter/a/add ${a.start.invocationId} waits for`);
    expect(failureOf(a)?.message).toContain(`queued behind counter/a/add ${a.start.invocationId}`);
    a.end("1");
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("when two keys call each other: the younger call fails, its callee never starts", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    const b = started(h, "counter/b/add");
    a.issue(callTo(add("b"), 1));
    a.idle();
    b.issue(callTo(add("a"), 1));
    b.idle();
    expect(failureOf(b)?.message).toContain("deadlock: counter/b/add");
    expect(failureOf(a)).toBeUndefined();
    b.end("1");
    const called = attemptOf(h, "b");
    called.end("2");
    expect(a.deliveries().at(-1)).toMatchObject({ result: { kind: "value", value: bytes("2") } });
    a.end("3");
    expect(h.starts(1).length).toBe(3);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("across any number of keys", () => {
    const h = new CoreHarness();
    h.connect(1);
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const ring = keys.map((key) => started(h, `counter/${key}/add`));
    ring.forEach((attempt, i) => {
      attempt.issue(callTo(add(keys[(i + 1) % keys.length] ?? ""), 1));
      attempt.idle();
    });
    expect(ring.filter((it) => failureOf(it) !== undefined)).toEqual([ring.at(-1)]);
    expect(failureOf(ring.at(-1)!)?.message).toContain("and so on over 20 calls");
  });

  test("through a workflow: its run calls an object that attaches to it", () => {
    const h = new CoreHarness();
    h.connect(1);
    const run = started(h, "signup/w/run");
    run.issue(callTo(add("a"), 1));
    run.idle();
    const called = attemptOf(h, "a");
    called.issue({ kind: "attach", invocationId: run.start.invocationId, completionId: 1 });
    called.idle();
    expect(failureOf(called)?.message).toContain("signup/w/run");
    expect(failureOf(run)).toBeUndefined();
    called.end("1");
    expect(run.deliveries().at(-1)).toMatchObject({ result: { kind: "value" } });
    run.end("2");
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("when a callee that has started is part of it: it goes on, the call alone fails", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    const other = started(h, "counter/c/add");
    a.issue(callTo(add("b"), 1));
    a.idle();
    const b = attemptOf(h, "b");
    b.issue({ kind: "attach", invocationId: other.start.invocationId, completionId: 1 });
    b.idle();
    other.issue({ kind: "attach", invocationId: a.start.invocationId, completionId: 1 });
    other.idle();
    expect(failureOf(other)?.code).toBe(409);
    expect([failureOf(a), failureOf(b)]).toEqual([undefined, undefined]);
    expect(h.starts(1).length).toBe(3);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("although its members are suspended, and after a restart", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("b"), 1));
    a.idle();
    a.suspend();
    const b = attemptOf(h, "b");
    h.restart();
    h.connect(1);
    const again = h.attempt(1);
    expect(again.start.invocationId).toBe(b.start.invocationId);
    again.issue(callTo(add("a"), 1));
    again.idle();
    expect(failureOf(again)?.code).toBe(409);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("beside a timer once that has fired", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("a"), 1));
    a.issue({ kind: "sleep", durationMs: 1_000, completionId: 2 });
    // The SDK says nothing while a timer is outstanding; were it to, nothing would follow.
    a.idle();
    expectNoDeadlock(h);
    h.advance(1_000);
    a.idle();
    expect(failureOf(a)?.code).toBe(409);
  });

  // An attach to a delayed send waits for somebody who is alive, until that has to queue behind it: then
  // nobody begins to wait, and nobody looked. The two hung for ever, and all of the key behind them.
  test.each(["while it runs", "while it is suspended"])(
    "as a delayed send to the own key comes to its turn, attached to, %s",
    (how) => {
      const h = new CoreHarness();
      h.connect(1);
      const a = started(h, "counter/a/add");
      const { completionId: _, ...send } = callTo(add("a"), 1);
      a.issue({ ...send, kind: "send", delayMs: 1_000 });
      a.issue({ kind: "invocation-id", of: 0, completionId: 1 });
      const [told] = a.deliveries();
      const result = told?.kind === "completion" ? told.result : undefined;
      if (result?.kind !== "invocation-id") throw new Error("the send has an id");
      const { invocationId } = result;
      a.issue({ kind: "attach", invocationId, completionId: 2 });
      a.idle();
      if (how === "while it is suspended") a.suspend();
      expectNoDeadlock(h);
      h.advance(1_000);
      expect(h.warnings.filter((it) => it.startsWith("deadlock")).length).toBe(1);
      const again = h.attempt(1);
      expect(again.start.invocationId).toBe(a.start.invocationId);
      if (how === "while it runs") expect(failureOf(again)?.code).toBe(409);
      again.end("1");
      expect(h.attempt(1).start.invocationId).toBe(invocationId);
      expect(brokenReferences(h.tx)).toEqual([]);
    },
  );

  test("and it is the youngest call on the cycle that fails, not one that leads to it", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    const b = started(h, "counter/b/add");
    const leads = started(h, "counter/c/add");
    a.issue(callTo(add("b"), 1));
    b.issue(callTo(add("a"), 1));
    leads.issue(callTo(add("a"), 1));
    leads.idle();
    a.idle();
    b.idle();
    expect(failureOf(leads)).toBeUndefined();
    expect(failureOf(b)?.code).toBe(409);
  });

  test("again, for each call of a handler that insists", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    for (const id of [1, 2, 3]) {
      a.issue(callTo(add("a"), id));
      a.idle();
      expect(a.deliveries().length).toBe(id);
    }
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

describe("no deadlock is seen", () => {
  test("where a target is alive: running, ready, backing off, paused, scheduled", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("b"), 1));
    a.idle();
    const b = attemptOf(h, "b");
    b.issue(callTo(add("a"), 1));
    b.fail("boom");
    expectNoDeadlock(h);
    h.ask((request) => ({ kind: "pause", request, invocationId: b.start.invocationId }));
    a.issue(callTo(add("c"), 2));
    a.idle();
    expectNoDeadlock(h);
  });

  test("while the code goes on: a call that is not awaited yet", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("a"), 1));
    a.end("done without waiting");
    const called = h.attempt(1);
    called.end("1");
    expectNoDeadlock(h);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("with a shared handler of the own key", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo({ service: "counter", key: "a", handler: "read" }, 1));
    a.idle();
    attemptOf(h, "a", "read").end("7");
    expect(a.deliveries().at(-1)).toMatchObject({ result: { kind: "value" } });
    expectNoDeadlock(h);
  });

  test("with a send to the own key", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    const { completionId, ...call } = callTo(add("a"), 1);
    a.issue({ ...call, kind: "send", delayMs: 0 });
    a.issue(callTo({ service: "greeter", key: null, handler: "greet" }, completionId));
    a.idle();
    expectNoDeadlock(h);
  });

  test.each([
    ["a run", { kind: "run", mode: "at-least-once", retry: null, completionId: 2 }],
    ["an awakeable", { kind: "awakeable", completionId: 2 }],
    ["a promise", { kind: "get-promise", promise: "p", completionId: 2 }],
  ] as const)("beside %s", (_, body) => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "signup/w/run");
    a.issue(callTo(add("a"), 1));
    a.idle();
    const called = attemptOf(h, "a");
    a.issue(body);
    called.issue({ kind: "attach", invocationId: a.start.invocationId, completionId: 1 });
    called.idle();
    expectNoDeadlock(h);
  });

  test("while one of several calls can still come back", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("a"), 1));
    a.issue(callTo({ service: "greeter", key: null, handler: "greet" }, 2));
    a.idle();
    expectNoDeadlock(h);
    const greet = h.attempt(1);
    greet.end("hello");
    expectNoDeadlock(h);
    a.idle();
    expect(failureOf(a)?.code).toBe(409);
  });

  test("from a worker's word that is older than a delivery", () => {
    const h = new CoreHarness();
    h.connect(1);
    const a = started(h, "counter/a/add");
    a.issue(callTo(add("a"), 1));
    h.say(1, { kind: "command", attempt: a.handle, command: dateCommand(1) });
    h.say(1, { kind: "idle", attempt: a.handle, deliveries: 0 });
    expectNoDeadlock(h);
    a.idle();
    expect(failureOf(a)?.code).toBe(409);
  });
});

function dateCommand(index: number) {
  return { kind: "date", index, after: 0, outside: false, name: "", completionId: 2 } as const;
}

test("of a wait for somebody at work the search reads one row, and no range", () => {
  const h = new CoreHarness();
  h.connect(1);
  const a = started(h, "counter/a/add");
  a.issue(callTo(add("b"), 1));
  const ranges: string[] = [];
  const range = h.tx.range.bind(h.tx);
  h.tx.range = (it) => {
    ranges.push(it.from);
    return range(it);
  };
  a.idle();
  expect(ranges).toEqual([]);
  expectNoDeadlock(h);
});
