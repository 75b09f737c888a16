/**
 * Timers of one invocation that come together.
 *
 * Found on the way: a suspended invocation that had suspended twice without getting any further has a
 * timer for its next attempt as soon as something arrives. When one of its runs was due for another try
 * before that, it went on at once and its timer stayed; when that one rang, the invocation was running,
 * an assertion failed, and the runtime ended. The same with both due in one step, and with any timer that
 * another one of the same step had made void: all rows were taken before the first was acted upon.
 */
import { describe, expect, test } from "vitest";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";
import type { CommandBody } from "../support/core-harness.ts";

const retry = {
  initialIntervalMs: 100,
  factor: 1,
  maxIntervalMs: 100,
  maxAttempts: null,
  maxDurationMs: null,
  jitter: 0,
  onMaxAttempts: "pause",
} as const;

const call: CommandBody = {
  kind: "call",
  target: { service: "greeter", key: null, handler: "greet" },
  parameter: new Uint8Array(0),
  headers: [],
  idempotencyKey: null,
  completionId: 1,
};

function harness(): CoreHarness {
  const h = new CoreHarness();
  const greet = handler("greet", "stateless", { retry });
  h.connect(1, { services: [serviceOf("greeter", "service", [greet])] });
  return h;
}

/** Lets timers be due only now, all of them in one step. */
function allAtOnce(h: CoreHarness, ms: number): void {
  h.nowMs += ms;
  h.apply({ kind: "timers-due" });
}

describe.each(["one after the other", "in one step"])("%s", (how) => {
  const pass = (h: CoreHarness, ms: number): void =>
    how === "in one step" ? allAtOnce(h, ms) : h.advance(ms);

  test("the next try of a run, and the delayed attempt of its suspended invocation", () => {
    const h = harness();
    const request = h.invoke("greeter/greet", { mode: "send" });
    const first = h.attempt(1);
    const command = first.issue({
      kind: "run",
      mode: "at-least-once",
      retry: { ...retry, onMaxAttempts: "fail" },
      completionId: 1,
    });
    for (const completionId of [2, 3, 4, 5])
      first.issue({ kind: "sleep", durationMs: 10 * completionId, completionId });
    // Suspensions that lead to nothing, until there is a pause before the next attempt.
    first.suspend();
    for (let i = 0; i < 3; i++) h.attempt(1).suspend();
    h.advance(35);
    const attempt = h.attempt(1);
    attempt.report(command, { error: "boom", retryAfterMs: 12 });
    attempt.suspend();
    pass(h, 10);
    pass(h, 1_000);
    expect(brokenReferences(h.tx)).toEqual([]);
    h.attempt(1).end("done");
    pass(h, 1_000);
    const ref = { kind: "id", invocationId: h.admittedId(request) } as const;
    expect(h.ask((ask) => ({ kind: "output", request: ask, ref }))).toMatchObject({
      result: { ok: true },
    });
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test.each(["cancel", "kill"] as const)(
    "a %s that reaches a callee, and the callee's own retry",
    (kind) => {
      const h = harness();
      const request = h.invoke("greeter/greet", { mode: "send" });
      h.attempt(1).issue(call);
      h.attempt(1).fail("boom");
      const invocationId = h.admittedId(request);
      // The callee's retry is due in 100 ms, what reaches it before that.
      h.nowMs += 50;
      h.ask((ask) => ({ kind, request: ask, invocationId }));
      pass(h, 50);
      pass(h, 1_000);
      expect(brokenReferences(h.tx)).toEqual([]);
    },
  );
});

test("a timer for this very moment, of an older invocation than the one whose timer just fired", () => {
  const h = harness();
  h.invoke("greeter/greet", { mode: "send" });
  h.invoke("greeter/greet", { mode: "send" });
  const older = h.attempt(1, 0);
  const younger = h.attempt(1, 1);
  younger.issue({ kind: "sleep", durationMs: 5, completionId: 1 });
  h.advance(5);
  expect(younger.deliveries().length).toBe(1);
  older.issue({ kind: "sleep", durationMs: 0, completionId: 1 });
  h.advance(0);
  expect(older.deliveries().length).toBe(1);
});

test("a thousand that are due together fire in the order of time, some of them per step", () => {
  const h = new CoreHarness();
  h.connect(1, {
    concurrency: 2_000,
    services: [serviceOf("greeter", "service", [handler("greet", "stateless")])],
  });
  const count = 1_000;
  for (let i = 0; i < count; i++) h.invoke("greeter/greet", { mode: "send" });
  const attempts = Array.from({ length: count }, (_, i) => h.attempt(1, i));
  for (const [i, it] of attempts.entries()) {
    it.issue({ kind: "sleep", durationMs: count - i, completionId: 1 });
  }
  const fired = (): number => h.messages(1, "deliver").length;
  h.nowMs += count;
  h.apply({ kind: "timers-due" });
  expect(fired()).toBeGreaterThan(0);
  expect(fired()).toBeLessThanOrEqual(64);
  h.advance(0);
  const order = h.messages(1, "deliver").map((it) => it.attempt);
  expect(order).toEqual(attempts.map((it) => it.start.attempt).reverse());
});
