/** Retry policies: when the next try is, when there is none, and what sets the counts back. */
import { describe, expect, test } from "vitest";
import type { RunRetryPolicy } from "../../protocol/command.ts";
import type { RetryPolicy } from "../../protocol/manifest.ts";
import { nextDelayMs } from "../../runtime/core/retry.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";

const policy: RetryPolicy = {
  initialIntervalMs: 100,
  factor: 1,
  maxIntervalMs: 100,
  maxAttempts: null,
  maxDurationMs: null,
  jitter: 0,
  onMaxAttempts: "pause",
};
const runPolicy: RunRetryPolicy = { ...policy, onMaxAttempts: "pause" };

function withPolicy(retry: Partial<RetryPolicy> = {}): CoreHarness {
  const h = new CoreHarness();
  reconnect(h, 1, retry);
  return h;
}

function reconnect(h: CoreHarness, connection: number, retry: Partial<RetryPolicy> = {}): void {
  const greet = handler("greet", "stateless", { retry: { ...policy, ...retry } });
  h.connect(connection, { services: [serviceOf("greeter", "service", [greet])] });
}

function start(h: CoreHarness) {
  const request = h.invoke("greeter/greet", { mode: "send" });
  return { id: h.admittedId(request), attempt: h.attempt(1) };
}

/** Fails every attempt of the one invocation for a time, and gives their number. */
function failOn(h: CoreHarness, connection: number, forMs: number): number {
  const untilMs = h.nowMs + forMs;
  const isLive = (): boolean => [...h.tx.rows.keys()].some((key) => key.startsWith("a"));
  let failed = 0;
  for (;;) {
    if (isLive()) {
      h.attempt(connection).fail("boom");
      failed++;
    }
    const due = h.machine.nextDueAtMs(h.tx);
    if (due === undefined || due > untilMs) return failed;
    h.advance(due - h.nowMs);
  }
}

const describeOf = (h: CoreHarness, invocationId: ReturnType<typeof start>["id"]) =>
  h.ask((request) => ({ kind: "output", request, ref: { kind: "id", invocationId } }));

describe("the delay", () => {
  test("of equal seeds is equal, and lies within the jitter", () => {
    const seeds = Array.from({ length: 200 }, (_, i) =>
      String.fromCharCode(...Array.from({ length: 16 }, (_, at) => (i * 7 + at * 13) & 255)),
    );
    for (const jitter of [0, 0.2, 1]) {
      const delays = seeds.map((seed) => nextDelayMs({ ...policy, jitter }, 1, seed, 0));
      expect(delays).toEqual(seeds.map((seed) => nextDelayMs({ ...policy, jitter }, 1, seed, 0)));
      for (const delay of delays) {
        expect(delay).toBeGreaterThanOrEqual(Math.max(10, 100 * (1 - jitter)));
        expect(delay).toBeLessThanOrEqual(100 * (1 + jitter));
      }
      expect(new Set(delays).size > 1).toBe(jitter > 0);
    }
  });

  test.each([
    ["an interval of nothing", { initialIntervalMs: 0 }],
    [
      "an interval of nothing whose factor has grown beyond all numbers",
      { initialIntervalMs: 0, factor: 1e300 },
    ],
    ["a longest interval of nothing", { maxIntervalMs: 0 }],
    ["a factor that shrinks it", { factor: 0 }],
  ] as const)("is never below 10 ms: %s", (_, given) => {
    const seed = "0123456789abcdef";
    for (const failures of [1, 2, 50, 5_000]) {
      const delay = nextDelayMs({ ...policy, ...given, jitter: 1 }, failures, seed, 0);
      expect(delay).toBeGreaterThanOrEqual(10);
      expect(Number.isFinite(delay)).toBe(true);
    }
  });
});

describe("no loop is hot", () => {
  test("of an error that asks for a retry after nothing", () => {
    const h = withPolicy();
    const { attempt } = start(h);
    const failure = { name: "Error", message: "boom", code: 500 };
    const more = { stack: "", command: null, retryAfterMs: 0 };
    h.say(1, { kind: "fail", attempt: attempt.handle, failure, ...more });
    h.advance(9);
    expect(h.starts(1)).toHaveLength(1);
    h.advance(1);
    expect(h.starts(1)).toHaveLength(2);
  });

  test("of a run that asks for a retry after nothing", () => {
    const h = withPolicy();
    const { attempt } = start(h);
    const command = attempt.issue({
      kind: "run",
      mode: "at-least-once",
      retry: null,
      completionId: 1,
    });
    attempt.report(command, { error: "boom", retryAfterMs: 0 });
    h.advance(9);
    expect(attempt.gos()).toHaveLength(1);
    h.advance(1);
    expect(attempt.gos()).toHaveLength(2);
  });

  test("of a worker that suspends again and again before what it was sent", () => {
    const h = withPolicy();
    const { attempt } = start(h);
    attempt.issue({ kind: "date", completionId: 1 });
    for (let i = 0; i < 1_000; i++) {
      const { handle } = h.attempt(1);
      h.say(1, { kind: "suspend", attempt: handle, deliveries: 0 });
    }
    expect(h.starts(1).length).toBeLessThan(5);
    h.advance(1_000);
    expect(h.starts(1).length).toBeLessThan(6);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("of a worker that suspends again and again under a run that it was let go", () => {
    const h = withPolicy();
    const { attempt } = start(h);
    attempt.issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 1 });
    for (let i = 0; i < 1_000; i++) h.attempt(1).suspend();
    expect(h.messages(1, "go").length).toBeLessThan(5);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

describe("a policy with a limit of time", () => {
  test("counts from the first failure in a row", () => {
    const h = withPolicy({ maxDurationMs: 1_000 });
    start(h);
    // The attempt may run as long as it likes before it fails.
    h.advance(5_000);
    expect(failOn(h, 1, 60_000)).toBe(11);
    h.advance(60_000);
    expect(h.starts(1)).toHaveLength(11);
  });

  test("begins anew with progress", () => {
    const h = withPolicy({ maxDurationMs: 1_000 });
    start(h);
    expect(failOn(h, 1, 850)).toBe(9);
    h.advance(100);
    h.attempt(1).issue({ kind: "awakeable", completionId: 1 });
    expect(failOn(h, 1, 60_000)).toBe(11);
  });

  test("goes on counting through restarts", () => {
    const h = withPolicy({ maxDurationMs: 1_000 });
    start(h);
    expect(failOn(h, 1, 550)).toBe(6);
    h.restart();
    reconnect(h, 2, { maxDurationMs: 1_000 });
    expect(failOn(h, 2, 60_000)).toBe(5);
  });

  test("kills where it was told to", () => {
    const h = withPolicy({ maxDurationMs: 1_000, onMaxAttempts: "kill" });
    const { id } = start(h);
    failOn(h, 1, 60_000);
    expect(describeOf(h, id)).toMatchObject({
      kind: "completed",
      result: { ok: false, failure: { message: "boom", code: 500 } },
    });
  });
});

describe("counts", () => {
  test("of failures survive a restart, which does not count itself", () => {
    const h = withPolicy({ maxAttempts: 4 });
    start(h);
    h.attempt(1).fail("boom");
    h.advance(100);
    for (const connection of [2, 3, 4]) {
      h.restart();
      reconnect(h, connection, { maxAttempts: 4 });
      expect(h.starts(connection)).toHaveLength(1);
    }
    expect(failOn(h, 4, 60_000)).toBe(3);
  });

  test.each(["a command", "the result of a run"])("of failures are set back by %s", (progress) => {
    const h = withPolicy({ maxAttempts: 3 });
    const { attempt } = start(h);
    const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
    const command = attempt.issue(run);
    for (let i = 0; i < 2; i++) {
      h.attempt(1).fail("boom");
      h.advance(100);
    }
    const now = h.attempt(1);
    if (progress === "a command") now.issue({ kind: "awakeable", completionId: 2 });
    else now.report(command, { value: "1" });
    expect(failOn(h, 1, 60_000)).toBe(3);
  });

  test("are set back by a resume, which gives all tries anew", () => {
    const h = withPolicy({ maxAttempts: 3 });
    const { id } = start(h);
    expect(failOn(h, 1, 60_000)).toBe(3);
    for (let i = 0; i < 2; i++) {
      h.ask((request) => ({ kind: "resume", request, invocationId: id }));
      expect(failOn(h, 1, 60_000)).toBe(3);
    }
    expect(h.starts(1).at(-1)?.attemptNumber).toBe(9);
  });
});

describe("a run whose policy pauses", () => {
  function exhausted(retry: RunRetryPolicy | null, of: Partial<RetryPolicy> = {}) {
    const h = withPolicy(of);
    const { id, attempt } = start(h);
    const run = { kind: "run", mode: "at-least-once", retry, completionId: 1 } as const;
    const command = attempt.issue(run, { name: "pay" });
    for (let i = 0; i < 3; i++) {
      attempt.report(command, { error: "no route" });
      h.advance(100);
    }
    return { h, id, attempt, command };
  }

  test.each([
    ["by its own limit", { ...runPolicy, maxAttempts: 3 }, {}],
    ["by its own time", { ...runPolicy, maxDurationMs: 250 }, {}],
    ["by the limit of its invocation", null, { maxAttempts: 3 }],
    ["by the time of its invocation", null, { maxDurationMs: 250 }],
  ] as const)("%s, pauses the invocation; a resume gives it all tries anew", (_, retry, of) => {
    const { h, id, attempt, command } = exhausted(retry, of);
    expect(attempt.aborts()).toMatchObject([{ reason: "no further try: no route" }]);
    h.advance(60_000);
    expect(h.starts(1)).toHaveLength(1);
    h.restart();
    reconnect(h, 2, of);
    expect(h.starts(2)).toHaveLength(0);
    h.ask((request) => ({ kind: "resume", request, invocationId: id }));
    const next = h.attempt(2);
    // Tries are numbers of gos, and go on; failures are counted from nothing.
    for (let i = 0; i < 3; i++) {
      expect(next.gos().at(-1)?.try).toBe(4 + i);
      next.report(command, { error: "no route" });
      h.advance(100);
    }
    expect(next.aborts()).toHaveLength(1);
    h.ask((request) => ({ kind: "resume", request, invocationId: id }));
    h.attempt(2).report(command, { value: "1" });
    h.attempt(2).end("1");
    expect(describeOf(h, id)).toMatchObject({ kind: "completed", result: { ok: true } });
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("is taken out of its pause by a cancellation as well, and may fail again while it cleans up", () => {
    const { h, id } = exhausted(null, { maxAttempts: 3 });
    h.ask((request) => ({ kind: "cancel", request, invocationId: id }));
    expect(failOn(h, 1, 60_000)).toBe(3);
  });

  test("lets the others of its attempt that backed off go again at once", () => {
    const h = withPolicy();
    const { id, attempt } = start(h);
    const issue = (retry: RunRetryPolicy, completionId: number): number =>
      attempt.issue({ kind: "run", mode: "at-least-once", retry, completionId });
    const slow = issue({ ...runPolicy, initialIntervalMs: 50_000, maxIntervalMs: 50_000 }, 1);
    const last = issue({ ...runPolicy, maxAttempts: 1 }, 2);
    attempt.report(slow, { error: "boom" });
    attempt.report(last, { error: "boom" });
    h.ask((request) => ({ kind: "resume", request, invocationId: id }));
    expect(h.attempt(1).gos()).toMatchObject([
      { command: slow, try: 2 },
      { command: last, try: 2 },
    ]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});
