/**
 * T14, I18: a handler that ends its worker each time takes its neighbours with it, and would do so for
 * ever, since a lost attempt is no failure and its next one starts at once.
 */
import { describe, expect, test } from "vitest";
import { brokenReferences } from "../support/check-rows.ts";
import { DEFAULT_RETRY_POLICY } from "../../protocol/retry.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";

/**
 * Loses the worker whenever it was given something, and connects the next one; begins with connection
 * `from`. Gives the number of losses.
 */
function crashLoop(h: CoreHarness, from: number, forMs: number): number {
  const untilMs = h.nowMs + forMs;
  let connection = from;
  for (;;) {
    while (h.starts(connection).length > 0) {
      h.lose(connection);
      h.connect(++connection);
    }
    const due = h.machine.nextDueAtMs(h.tx);
    if (due === undefined || due > untilMs) return connection - from;
    h.advance(due - h.nowMs);
  }
}

describe("an invocation whose worker is lost each time", () => {
  test("starts at once twice, and then after 100 ms doubling to 10 s", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const delays: number[] = [];
    for (let connection = 1; connection <= 13; connection++) {
      const lostAtMs = h.nowMs;
      h.lose(connection);
      h.connect(connection + 1);
      while (h.starts(connection + 1).length === 0) {
        h.advance((h.machine.nextDueAtMs(h.tx) ?? 0) - h.nowMs);
      }
      delays.push(h.nowMs - lostAtMs);
    }
    const steps = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000, 10_000];
    expect(delays.slice(0, 2)).toEqual([0, 0]);
    for (const [i, delay] of delays.slice(2).entries()) {
      expect(Math.abs(delay - (steps[i] ?? 0))).toBeLessThanOrEqual((steps[i] ?? 0) * 0.2 + 1);
    }
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("is lost about once in ten seconds; the count survives restarts, which do not count", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const first = crashLoop(h, 1, 60_000);
    expect(first).toBeGreaterThan(10);
    expect(first).toBeLessThan(20);
    for (let i = 0; i < 5; i++) h.restart();
    h.connect(100);
    const second = crashLoop(h, 100, 60_000);
    expect(second).toBeGreaterThan(3);
    expect(second).toBeLessThan(10);
  });

  test("is told apart from one that gets on: a command or a result between two losses sets it back", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    let command = 0;
    for (let connection = 1; connection <= 20; connection++) {
      const attempt = h.attempt(connection);
      // A run is recorded by one attempt, and its result by the next.
      const run = { kind: "run", mode: "at-least-once", retry: null } as const;
      if (connection % 2 === 1) command = attempt.issue({ ...run, completionId: connection });
      else attempt.report(command, { value: "1" });
      h.lose(connection);
      h.connect(connection + 1);
      expect(h.starts(connection + 1)).toHaveLength(1);
    }
  });

  test("does not use up its retry policy, and a failure is still a failure", () => {
    const retry = { ...DEFAULT_RETRY_POLICY, maxAttempts: 2, onMaxAttempts: "kill" } as const;
    const h = new CoreHarness();
    const services = [serviceOf("greeter", "service", [handler("greet", "stateless", { retry })])];
    h.connect(1, { services });
    const request = h.invoke("greeter/greet", { mode: "send" });
    for (let connection = 1; connection <= 20; connection++) {
      h.lose(connection);
      h.connect(connection + 1, { services });
      h.advance(20_000);
    }
    h.attempt(21).fail("boom");
    h.advance(20_000);
    h.attempt(21).end("alive after all");
    const ref = { kind: "id", invocationId: h.admittedId(request) } as const;
    expect(h.ask((ask) => ({ kind: "output", request: ask, ref }))).toMatchObject({
      result: { ok: true },
    });
  });

  test.each(["resume", "pause", "cancel", "kill"] as const)("takes a %s while it waits", (kind) => {
    const h = new CoreHarness();
    h.connect(1);
    const request = h.invoke("greeter/greet", { mode: "send" });
    crashLoop(h, 1, 1_000);
    const invocationId = h.admittedId(request);
    const answer = h.ask((ask) => ({ kind, request: ask, invocationId }));
    expect(answer).toMatchObject({ kind: "controlled" });
    expect(brokenReferences(h.tx)).toEqual([]);
  });
});

test("a worker that says that it goes away has not been ended by what it ran", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("greeter/greet");
  for (let connection = 1; connection <= 20; connection++) {
    h.apply({ kind: "worker-drain", connection, ordinal: 2 });
    h.lose(connection);
    h.connect(connection + 1);
    expect(h.starts(connection + 1)).toHaveLength(1);
  }
});

test("beside a poison invocation the others of its worker get on, each with a step per life of it", () => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("counter/poison/add", { mode: "send" });
  const requests = Array.from({ length: 10 }, (_, i) => h.invoke(`counter/k${i}/add`));
  const steps = new Map<string, number>();
  let connection = 1;
  let crashes = 0;
  for (let rounds = 0; rounds < 1_000; rounds++) {
    const starts = h.starts(connection);
    const poisoned = starts.some((it) => it.target.key === "poison");
    for (const [nth, start] of starts.entries()) {
      const key = start.target.key ?? "";
      if (key === "poison") continue;
      const attempt = h.attempt(connection, nth);
      const done = (steps.get(key) ?? 0) + 1;
      steps.set(key, done);
      // Ten steps, one for each life of the worker: beside the poison it is given no more.
      if (done > 10) attempt.end("1");
      else attempt.issue({ kind: "awakeable", completionId: done });
    }
    if (poisoned) {
      crashes++;
      h.lose(connection);
      h.connect(++connection);
      continue;
    }
    // Without the poison the worker would live on: one more life for who has still to do something.
    if (requests.every((request) => h.responses.has(request))) break;
    const due = h.machine.nextDueAtMs(h.tx);
    if (due === undefined) break;
    h.advance(due - h.nowMs);
  }
  expect(requests.filter((request) => h.responses.has(request))).toHaveLength(10);
  expect(crashes).toBeLessThan(20);
  expect(brokenReferences(h.tx)).toEqual([]);
});
