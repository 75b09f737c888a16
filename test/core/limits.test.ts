/**
 * T22: every limit of the machine at n - 1, n and n + 1, on every path that could pass it. What would
 * pass one is refused before anything is kept: rows are the same after as before.
 */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import {
  bytes,
  CoreHarness,
  type CommandBody,
  type ScriptedAttempt,
} from "../support/core-harness.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { call, expectRefused, harness, ok, send } from "../support/refusals.ts";

describe("T22: sizes of what a handler sends", () => {
  const N = 10;
  const LIMITS = {
    payloadBytesMax: N,
    stateValueBytesMax: N,
    stateKeyBytesMax: N,
    headerBytesMax: N,
  };
  const paths: readonly [
    string,
    string,
    (size: number, id: InvocationId) => CommandBody,
    RegExp,
  ][] = [
    [
      "a state value",
      "counter/a/add",
      (size) => ({ kind: "set-state", key: "x", value: bytes("x".repeat(size)) }),
      /a state value has 11 bytes, the limit stateValueBytesMax is 10/,
    ],
    [
      "the name of a state value",
      "counter/a/add",
      (size) => ({ kind: "set-state", key: "x".repeat(size), value: bytes("") }),
      /has 11 bytes, the limit stateKeyBytesMax is 10/,
    ],
    [
      "the name of a promise",
      "signup/a/run",
      (size) => ({ kind: "get-promise", promise: "p".repeat(size), completionId: 1 }),
      /the name of a promise has 11 bytes, the limit stateKeyBytesMax is 10/,
    ],
    [
      "the value of a promise",
      "signup/a/run",
      (size) => ({ kind: "complete-promise", promise: "p", result: ok(size), completionId: 1 }),
      /a result has 11 bytes, the limit payloadBytesMax is 10/,
    ],
    [
      "a signal",
      "greeter/greet",
      (size, invocationId) => ({
        kind: "send-signal",
        invocationId,
        signal: "s",
        result: ok(size),
      }),
      /a signal has 11 bytes, the limit payloadBytesMax is 10/,
    ],
    [
      "what a send carries",
      "greeter/greet",
      (size) => send("greeter//greet", { parameter: bytes("x".repeat(size)) }),
      /the payload has 11 bytes, the limit payloadBytesMax is 10/,
    ],
    [
      "the headers of a send",
      "greeter/greet",
      (size) => send("greeter//greet", { headers: [["h", "x".repeat(size - 1)]] }),
      /the headers have 11 bytes, the limit headerBytesMax is 10/,
    ],
  ];

  test.each(paths)("%s", (_what, path, command, message) => {
    for (const size of [N - 1, N, N + 1]) {
      const h = harness(LIMITS);
      const headers = [["content-type", "application/json"]] as const;
      const other = h.admittedId(h.invoke("counter/other/add", { mode: "send", headers }));
      h.invoke(path);
      const attempt = h.attempt(1);
      if (size <= N) {
        attempt.issue(command(size, other));
        expect(attempt.aborts()).toEqual([]);
      } else expectRefused(h, attempt, () => attempt.issue(command(size, other)), message);
    }
  });

  test("what a call carries is refused for good: its caller is told", () => {
    for (const size of [N - 1, N, N + 1]) {
      const h = harness(LIMITS);
      h.invoke("greeter/greet");
      const attempt = h.attempt(1);
      attempt.issue({
        ...call("greeter//greet", 1),
        parameter: bytes("x".repeat(size)),
      } as CommandBody);
      expect(h.starts(1).length).toBe(size <= N ? 2 : 1);
      const failure = {
        code: 413,
        message: expect.stringMatching(/payloadBytesMax is 10/) as string,
      };
      expect(attempt.deliveries()).toMatchObject(size <= N ? [] : [{ result: { failure } }]);
    }
  });

  test("a result, of the handler and of a run", () => {
    for (const size of [N - 1, N, N + 1]) {
      for (const of of ["end", "run"] as const) {
        const h = harness(LIMITS);
        const request = h.invoke("greeter/greet");
        const attempt = h.attempt(1);
        const command = { kind: "run", mode: "at-least-once", retry: null } as const;
        if (of === "run") attempt.issue({ ...command, completionId: 1 });
        const act = (): void =>
          of === "end"
            ? attempt.end("x".repeat(size))
            : h.say(1, {
                kind: "run-result",
                attempt: attempt.handle,
                command: 0,
                try: 1,
                result: ok(size),
                deliveries: null,
              });
        const message = /a result has 11 bytes, the limit payloadBytesMax is 10/;
        if (size > N) expectRefused(h, attempt, act, message);
        else act();
        expect(h.responses.has(request)).toBe(size <= N && of === "end");
      }
    }
  });

  test("what comes from outside", () => {
    for (const size of [N - 1, N, N + 1]) {
      const h = harness(LIMITS);
      const before = h.tx.rows.size;
      const headers = [["content-type", "application/json"]] as const;
      const request = h.invoke("greeter/greet", { body: "x".repeat(size), headers });
      const refused = {
        code: 413,
        message: expect.stringMatching(/payloadBytesMax is 10/) as string,
      };
      if (size > N) expect(h.responses.get(request)).toMatchObject(refused);
      expect(h.tx.rows.size > before).toBe(size <= N);
    }
  });

  test("keys and idempotency keys, from outside and from a handler", () => {
    for (const size of [N - 1, N, N + 1]) {
      const key = "k".repeat(size);
      for (const [path, idempotencyKey, limit] of [
        [`counter/${key}/add`, null, "keyBytesMax"],
        ["counter/a/add", key, "idempotencyKeyBytesMax"],
      ] as const) {
        const h = harness({ [limit]: N });
        const request = h.invoke(path, { idempotencyKey, mode: "send" });
        const message = new RegExp(`has 11 bytes, the limit ${limit} is 10; use a shorter one`);
        const refused = { code: 400, message: expect.stringMatching(message) as string };
        const accepted = { kind: "accepted" };
        expect(h.responses.get(request)).toMatchObject(size > N ? refused : accepted);
        const sender = harness({ [limit]: N });
        sender.invoke("greeter/greet");
        const attempt = sender.attempt(1);
        const act = (): void => void attempt.issue(send(path, { idempotencyKey }));
        if (size > N) expectRefused(sender, attempt, act, message);
        else {
          act();
          expect(sender.starts(1).length).toBe(2);
        }
      }
    }
  });
});

describe("T22: the state of a key", () => {
  const set = (attempt: ScriptedAttempt, key: string, size: number): void =>
    void attempt.issue({ kind: "set-state", key, value: new Uint8Array(size) });

  test.each([100, 64 * 1024, 200_000])("of %i bytes at most", (max) => {
    const h = harness({ stateBytesMax: max });
    h.invoke("counter/a/add");
    const first = h.attempt(1);
    set(first, "a", 40);
    set(first, "b", max - 41 - 2);
    // n - 1, and n.
    set(first, "b", max - 41 - 1);
    first.end("1");
    expect(brokenReferences(h.tx)).toEqual([]);
    // Another attempt, which has not written it, knows it too; and so does one after a restart.
    for (const restart of [false, true]) {
      if (restart) {
        h.restart();
        h.connect(1);
      }
      h.invoke("counter/a/add");
      const attempt = h.attempt(1);
      const message = new RegExp(
        `the state of counter/a would have ${max + 1} bytes, the limit stateBytesMax is ${max}`,
      );
      expectRefused(h, attempt, () => set(attempt, "a", 41), message);
      h.attempt(1).end("1");
    }
    // It may shrink, and be replaced by something else.
    h.invoke("counter/a/add");
    const last = h.attempt(1);
    last.issue({ kind: "clear-state", key: "b" });
    expect(brokenReferences(h.tx)).toEqual([]);
    set(last, "c", max - 41 - 1);
    last.issue({ kind: "clear-all-state" });
    set(last, "d", max - 1);
    last.end("1");
    expect(h.messages(1, "abort").length).toBe(1);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test("is measured when a handler asked for no state with its start", () => {
    const h = harness({ stateBytesMax: 100, eagerStateBytesMax: 0 });
    h.invoke("counter/a/add");
    set(h.attempt(1), "a", 99);
    h.attempt(1).end("1");
    h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    expectRefused(h, attempt, () => set(attempt, "b", 0), /would have 101 bytes/);
  });

  test("beyond a limit that was lowered may shrink and not grow", () => {
    const h = harness({ stateBytesMax: 100 });
    h.invoke("counter/a/add");
    set(h.attempt(1), "a", 99);
    h.attempt(1).end("1");
    const lower = new CoreHarness({ stateBytesMax: 50 }, { tx: h.tx });
    lower.connect(1);
    lower.invoke("counter/a/add");
    const attempt = lower.attempt(1);
    set(attempt, "a", 80);
    expect(attempt.aborts()).toEqual([]);
    expectRefused(lower, attempt, () => set(attempt, "a", 81), /would have 82 bytes/);
  });
});

describe("T22: the journal of an invocation", () => {
  test("entries: what is outstanding is counted ahead, and always taken", () => {
    const h = harness({ journalEntriesMax: 10 });
    const request = h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    for (let id = 1; id <= 4; id++) {
      attempt.issue({ kind: "sleep", durationMs: 1_000, completionId: id });
    }
    // 8 counted. A command without completion makes 9, and another one 10.
    attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
    attempt.issue({ kind: "set-state", key: "x", value: bytes("2") });
    const more = (): void => void attempt.issue({ kind: "clear-state", key: "x" });
    expectRefused(h, attempt, more, /would have 11 entries, .* the limit journalEntriesMax is 10/);
    expect(h.attempt(1).deliveries().length).toBe(4);
    h.attempt(1).end("1");
    expect(h.responses.get(request)).toMatchObject({ kind: "completed" });
  });

  test("entries: one that brings a completion needs room for both", () => {
    for (const [max, fits] of [
      [3, true],
      [2, false],
    ] as const) {
      const h = harness({ journalEntriesMax: max });
      h.invoke("counter/a/add");
      const attempt = h.attempt(1);
      attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
      attempt.issue({ kind: "date", completionId: 1 });
      expect(attempt.aborts().length).toBe(fits ? 0 : 1);
    }
  });

  test("bytes: as they are kept, to the byte", () => {
    const commands: CommandBody[] = [
      { kind: "set-state", key: "x", value: new Uint8Array(100) },
      { kind: "set-state", key: "x", value: new Uint8Array(50) },
    ];
    const journalBytes = (h: CoreHarness): number =>
      [...h.tx.rows].reduce((sum, [key, row]) => sum + (key.startsWith("j") ? row.length : 0), 0);
    const run = (max: number): { h: CoreHarness; attempt: ScriptedAttempt } => {
      const h = harness({ journalBytesMax: max });
      h.invoke("counter/a/add");
      const attempt = h.attempt(1);
      for (const command of commands.slice(0, -1)) attempt.issue(command);
      return { h, attempt };
    };
    const measured = run(100_000);
    for (const command of commands.slice(-1)) measured.attempt.issue(command);
    const needed = journalBytes(measured.h);
    for (const max of [needed + 1, needed]) {
      const { h, attempt } = run(max);
      for (const command of commands.slice(-1)) attempt.issue(command);
      expect(journalBytes(h)).toBe(needed);
    }
    const { h, attempt } = run(needed - 1);
    const act = (): void => {
      for (const command of commands.slice(-1)) attempt.issue(command);
    };
    const limit = `would have ${needed} bytes, the limit journalBytesMax is ${needed - 1}`;
    expectRefused(h, attempt, act, new RegExp(limit));
  });

  test("an invocation whose journal is full goes on once the limit was raised", () => {
    const h = harness({ journalEntriesMax: 1 });
    const request = h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
    attempt.issue({ kind: "set-state", key: "x", value: bytes("2") });
    const raised = new CoreHarness({ journalEntriesMax: 2 }, { tx: h.tx });
    raised.connect(2);
    raised.advance(60_000);
    const next = raised.attempt(2);
    expect(next.start.commandCount).toBe(1);
    next.issue({ kind: "set-state", key: "x", value: bytes("2") });
    next.end("1");
    expect(next.aborts()).toEqual([]);
    expect(h.responses.has(request)).toBe(false);
  });
});

test("T22: signals that are not awaited; one that is awaited makes room", () => {
  const h = harness({ signalsMax: 2 });
  const invocationId = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
  const receiver = h.attempt(1);
  h.invoke("greeter/greet");
  const sender = h.attempt(1);
  const signal = { kind: "send-signal", invocationId, signal: "s", result: ok(1) } as const;
  sender.issue(signal);
  sender.issue(signal);
  receiver.issue({ kind: "await-signal", signal: "s" });
  sender.issue(signal);
  expect(receiver.deliveries().length).toBe(3);
  const message = /has 2 signals that it has not awaited, the limit signalsMax is 2/;
  expectRefused(h, sender, () => sender.issue(signal), message);
  expect(receiver.deliveries().length).toBe(3);
  // Nothing is lost: once there is room the next attempt sends it.
  receiver.issue({ kind: "await-signal", signal: "s" });
  h.attempt(1).issue(signal);
  expect(receiver.deliveries().length).toBe(4);
});

test("T22: a full journal of another takes no more signals", () => {
  const h = harness({ journalEntriesMax: 3 });
  const invocationId = h.admittedId(h.invoke("counter/a/add", { mode: "send" }));
  const receiver = h.attempt(1);
  receiver.issue({ kind: "sleep", durationMs: 1e9, completionId: 1 });
  h.invoke("greeter/greet");
  const sender = h.attempt(1);
  const signal = { kind: "send-signal", invocationId, signal: "s", result: ok(1) } as const;
  sender.issue(signal);
  const message = /has 3 entries, .* the limit journalEntriesMax is 3/;
  expectRefused(h, sender, () => sender.issue(signal), message);
});
