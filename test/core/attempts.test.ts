import { describe, expect, test } from "vitest";
import { bytes, CoreHarness, handler, serviceOf, text } from "../support/core-harness.ts";
import type { Effect } from "../../runtime/core/effect.ts";

const policy = {
  initialIntervalMs: 50,
  factor: 2,
  maxIntervalMs: 10_000,
  maxAttempts: 3,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "fail" as const,
};

function callOf(service: string, key: string | null, name: string, completionId: number) {
  return {
    kind: "call",
    target: { service, key, handler: name },
    parameter: bytes(""),
    headers: [],
    idempotencyKey: null,
    completionId,
  } as const;
}

describe("a run", () => {
  test("starts on a go that waits for the disk", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const command = {
      kind: "run",
      mode: "at-least-once",
      retry: null,
      completionId: 1,
      index: 0,
      after: 0,
      outside: false,
      name: "pay",
    } as const;
    const effects = h.apply({
      kind: "worker-message",
      connection: 1,
      ordinal: 2,
      message: { kind: "command", attempt: 1, command },
    });
    const go = effects.find(
      (it): it is Effect & { kind: "message" } => it.kind === "message" && it.message.kind === "go",
    );
    expect(go).toMatchObject({ when: "durable", demand: true, message: { command: 0, try: 1 } });
  });

  test("while one is outstanding, deliveries wait for the disk; before and after they do not", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    const whenOf = (act: () => void): string[] => {
      const seen: string[] = [];
      const apply = h.apply.bind(h);
      h.apply = (input) => {
        const effects = apply(input);
        for (const it of effects)
          if (it.kind === "message" && it.message.kind === "deliver") seen.push(it.when);
        return effects;
      };
      act();
      h.apply = apply;
      return seen;
    };
    expect(whenOf(() => attempt.issue({ kind: "date", completionId: 1 }))).toEqual(["now"]);
    const run = attempt.issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 2 });
    expect(whenOf(() => attempt.issue({ kind: "date", completionId: 3 }))).toEqual(["durable"]);
    const result = { ok: true, value: bytes("1") } as const;
    const done = {
      kind: "run-result",
      attempt: attempt.handle,
      command: run,
      try: 1,
      result,
      deliveries: null,
    } as const;
    expect(whenOf(() => h.say(1, done))).toEqual(["now"]);
    expect(attempt.deliveries().at(-1)).toEqual({
      kind: "completion",
      completionId: 2,
      result: { kind: "proposed" },
    });
    expect(whenOf(() => attempt.issue({ kind: "date", completionId: 4 }))).toEqual(["now"]);
  });

  test("a result is taken from the try that holds the go, once", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    const command = attempt.issue({
      kind: "run",
      mode: "at-least-once",
      retry: null,
      completionId: 1,
    });
    const result = { ok: true, value: bytes("1") } as const;
    const said = { kind: "run-result", attempt: attempt.handle, command, result } as const;
    h.say(1, { ...said, try: 2, deliveries: null });
    expect(attempt.deliveries()).toEqual([]);
    h.say(1, { ...said, try: 1, deliveries: null });
    h.say(1, { ...said, try: 1, deliveries: null });
    expect(attempt.deliveries().length).toBe(1);
  });

  test("failures are tried again in place, by its policy, and then end as a terminal failure", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    const command = attempt.issue({
      kind: "run",
      mode: "at-least-once",
      retry: policy,
      completionId: 1,
    });
    const failure = { name: "Error", message: "boom", code: 500 };
    for (const attempted of [1, 2, 3]) {
      expect(attempt.gos().at(-1)?.try).toBe(attempted);
      h.say(1, {
        kind: "run-failed",
        attempt: attempt.handle,
        command,
        try: attempted,
        failure,
        retryAfterMs: null,
      });
      h.advance(1_000);
    }
    expect(attempt.gos().length).toBe(3);
    expect(attempt.deliveries()).toEqual([
      {
        kind: "completion",
        completionId: 1,
        result: { kind: "failure", failure: { name: "TerminalError", message: "boom", code: 500 } },
      },
    ]);
  });

  test("the count of its failures survives a crash; a cut-off try is no failure", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const failure = { name: "Error", message: "boom", code: 500 };
    const first = h.attempt(1);
    const command = first.issue({
      kind: "run",
      mode: "at-least-once",
      retry: policy,
      completionId: 1,
    });
    h.say(1, {
      kind: "run-failed",
      attempt: first.handle,
      command,
      try: 1,
      failure,
      retryAfterMs: null,
    });
    h.restart();
    h.advance(1_000);
    h.connect(1);
    expect(
      h
        .attempt(1)
        .gos()
        .map((it) => it.try),
    ).toEqual([2]);
    h.restart();
    h.connect(1);
    const third = h.attempt(1);
    expect(third.gos().map((it) => it.try)).toEqual([3]);
    h.say(1, {
      kind: "run-failed",
      attempt: third.handle,
      command,
      try: 3,
      failure,
      retryAfterMs: null,
    });
    h.advance(1_000);
    expect(third.gos().map((it) => it.try)).toEqual([3, 4]);
    h.say(1, {
      kind: "run-failed",
      attempt: third.handle,
      command,
      try: 4,
      failure,
      retryAfterMs: null,
    });
    expect(third.deliveries().length).toBe(1);
  });

  test("a suspended invocation whose run backs off is started again for the next try", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    const command = attempt.issue({
      kind: "run",
      mode: "at-least-once",
      retry: policy,
      completionId: 1,
    });
    const failure = { name: "Error", message: "boom", code: 500 };
    h.say(1, {
      kind: "run-failed",
      attempt: attempt.handle,
      command,
      try: 1,
      failure,
      retryAfterMs: 60_000,
    });
    attempt.suspend();
    h.advance(60_000);
    expect(h.starts(1).length).toBe(2);
    expect(
      h
        .attempt(1)
        .gos()
        .map((it) => it.try),
    ).toEqual([2]);
  });
});

describe("the fence", () => {
  test("a message that names an attempt of another connection is ignored", () => {
    const h = new CoreHarness();
    h.connect(1);
    const request = h.invoke("counter/a/add");
    const zombie = h.attempt(1);
    h.lose(1);
    h.connect(2);
    const now = h.attempt(2);
    expect(now.start.attemptNumber).toBe(2);
    h.connect(3);
    const result = { ok: true, value: bytes("stolen") } as const;
    h.say(3, { kind: "end", attempt: now.handle, result });
    h.say(1, { kind: "end", attempt: zombie.handle, result });
    expect(h.responses.get(request)).toBeUndefined();
    now.end("mine");
    const response = h.responses.get(request);
    expect(
      response?.kind === "completed" && response.result.ok && text(response.result.value),
    ).toBe("mine");
  });

  test("a handle is never used twice on a connection", () => {
    const h = new CoreHarness();
    h.connect(1);
    for (let i = 0; i < 5; i++) {
      h.invoke("counter/a/add");
      h.attempt(1).end("x");
    }
    expect(new Set(h.starts(1).map((it) => it.attempt)).size).toBe(5);
  });

  test("a command out of order closes the connection, and the invocation starts elsewhere", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.connect(2, { concurrency: 1 });
    h.invoke("greeter/greet");
    const command = {
      kind: "awakeable",
      completionId: 1,
      index: 5,
      after: 0,
      outside: false,
      name: "",
    } as const;
    h.say(1, { kind: "command", attempt: 1, command });
    expect(h.closed.get(1)).toContain("command 5 came where 0 was expected");
    expect(h.starts(2).length).toBe(1);
  });
});

describe("attempts that fail", () => {
  test("back off from 100 ms doubling to 10 s, without limit", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const delays: number[] = [];
    for (let i = 0; i < 12; i++) {
      h.attempt(1).fail("boom");
      const due = h.machine.nextDueAtMs(h.tx) ?? 0;
      delays.push(due - h.nowMs);
      h.advance(due - h.nowMs);
    }
    const expected = [
      100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000, 10_000, 10_000,
    ];
    for (const [i, delay] of delays.entries()) {
      expect(delay / (expected[i] ?? 0)).toBeGreaterThanOrEqual(0.79);
      expect(delay / (expected[i] ?? 0)).toBeLessThanOrEqual(1.21);
    }
    expect(new Set(delays.slice(7)).size).toBeGreaterThan(1);
  });

  test.each(["kill", "pause"] as const)("a policy with a limit ends in %s", (onMaxAttempts) => {
    const h = new CoreHarness();
    const retry = {
      initialIntervalMs: 10,
      factor: 2,
      maxIntervalMs: 100,
      maxAttempts: 2,
      maxDurationMs: null,
      jitter: 0.2,
      onMaxAttempts,
    };
    h.connect(1, {
      services: [serviceOf("greeter", "service", [handler("greet", "stateless", { retry })])],
    });
    const request = h.invoke("greeter/greet");
    h.attempt(1).fail("boom");
    h.advance(100);
    h.attempt(1).fail("boom");
    h.advance(60_000);
    expect(h.starts(1).length).toBe(2);
    if (onMaxAttempts === "kill") {
      expect(h.responses.get(request)).toMatchObject({
        result: { ok: false, failure: { message: "boom", code: 500 } },
      });
    } else expect(h.responses.get(request)).toBeUndefined();
  });

  test("a lost connection is no failure: the next attempt starts at once", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.connect(2, { concurrency: 1 });
    h.invoke("greeter/greet");
    h.lose(1);
    expect(h.starts(2).length).toBe(1);
    expect(h.attempt(2).start.attemptNumber).toBe(2);
  });
});

describe("suspension", () => {
  test("is refused by what came meanwhile: the invocation goes on at once", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    attempt.issue({ kind: "sleep", durationMs: 10, completionId: 1 });
    h.advance(10);
    h.say(1, { kind: "suspend", attempt: attempt.handle, deliveries: 0 });
    expect(h.starts(1).length).toBe(2);
  });

  test("a thousand completions do not cost a thousand replays", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const first = h.attempt(1);
    for (let i = 1; i <= 1_000; i++) first.issue({ kind: "sleep", durationMs: i, completionId: i });
    first.suspend();
    for (let i = 0; i < 1_000; i++) {
      h.advance(1);
      // A worker that has no patience at all.
      const current = h.attempt(1);
      const alreadyGone = h.starts(1).length === 1;
      if (!alreadyGone) current.suspend();
    }
    expect(h.starts(1).length).toBeLessThan(20);
    h.advance(2_000);
    expect(h.attempt(1).start.deliveryCount).toBe(1_000);
  });

  test("resumes with the whole journal in order", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const first = h.attempt(1);
    first.issue({ kind: "sleep", durationMs: 10, completionId: 1 }, { name: "nap" });
    first.issue({ kind: "awakeable", completionId: 2 });
    first.suspend();
    h.advance(10);
    const kinds = h
      .messages(1, "replay")
      .flatMap((it) =>
        it.entries.map((entry) =>
          entry.kind === "command" ? entry.command.kind : entry.delivery.kind,
        ),
      );
    expect(kinds).toEqual(["sleep", "awakeable", "completion"]);
  });
});

describe("calls", () => {
  test("the caller gets what the callee returned, and a terminal failure as it is", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const caller = h.attempt(1);
    caller.issue(callOf("counter", "a", "add", 1));
    h.attempt(1).end("7");
    caller.issue(callOf("counter", "a", "add", 2));
    const failure = { name: "TerminalError", message: "no", code: 418 };
    const callee = h.attempt(1);
    h.say(1, { kind: "end", attempt: callee.handle, result: { ok: false, failure } });
    expect(caller.deliveries()).toEqual([
      { kind: "completion", completionId: 1, result: { kind: "value", value: bytes("7") } },
      { kind: "completion", completionId: 2, result: { kind: "failure", failure } },
    ]);
  });

  test("an unknown service or handler fails the call with 404", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const caller = h.attempt(1);
    caller.issue(callOf("nobody", "a", "add", 1));
    expect(caller.deliveries()).toMatchObject([
      { result: { kind: "failure", failure: { code: 404 } } },
    ]);
  });

  test("the same idempotency key from two callers is one invocation", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const one = h.attempt(1);
    h.invoke("greeter/greet");
    const two = h.attempt(1);
    one.issue({ ...callOf("counter", "a", "add", 1), idempotencyKey: "k" });
    two.issue({ ...callOf("counter", "a", "add", 1), idempotencyKey: "k" });
    expect(h.starts(1).filter((it) => it.target.service === "counter").length).toBe(1);
    h.attempt(1).end("7");
    expect(one.deliveries()).toEqual(two.deliveries());
    expect(one.deliveries().length).toBe(1);
  });

  test("the id of a child can be asked for, and attached to", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("greeter/greet");
    const parent = h.attempt(1);
    const target = { service: "counter", key: "a", handler: "add" };
    const send = {
      kind: "send",
      target,
      parameter: bytes(""),
      headers: [],
      idempotencyKey: null,
      delayMs: 0,
    } as const;
    const of = parent.issue(send);
    parent.issue({ kind: "invocation-id", of, completionId: 1 });
    const invocationId = h.attempt(1).start.invocationId;
    expect(parent.deliveries()).toEqual([
      { kind: "completion", completionId: 1, result: { kind: "invocation-id", invocationId } },
    ]);
    parent.issue({ kind: "attach", invocationId, completionId: 2 });
    h.attempt(1).end("7");
    expect(parent.deliveries().at(-1)).toMatchObject({
      completionId: 2,
      result: { kind: "value" },
    });
  });
});
