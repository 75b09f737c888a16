import { describe, expect, test } from "vitest";
import { bytes, CoreHarness, type CommandBody } from "../support/core-harness.ts";

const LIMITS = { stateKeyBytesMax: 8, stateValueBytesMax: 4 };

const TOO_MUCH: readonly (readonly [what: string, path: string, command: CommandBody])[] = [
  ["a name to set", "counter/a/add", { kind: "set-state", key: "123456789", value: bytes("1") }],
  ["a name to clear", "counter/a/add", { kind: "clear-state", key: "123456789" }],
  ["a name to get", "counter/a/add", { kind: "get-state", key: "ööööö", completionId: 1 }],
  ["a value", "counter/a/add", { kind: "set-state", key: "x", value: bytes("12345") }],
  ["a promise", "signup/a/run", { kind: "get-promise", promise: "123456789", completionId: 1 }],
];

describe("more than there may be", () => {
  test.each(TOO_MUCH)(
    "%s: fails its attempt, and no other of its worker",
    (_what, path, command) => {
      const h = new CoreHarness(LIMITS);
      h.connect(1);
      const request = h.invoke(path);
      const attempt = h.attempt(1);
      h.invoke("greeter/greet");
      const other = h.attempt(1);
      const rows = [...h.tx.rows.keys()].filter((key) => /^[jsP]/.test(key));

      attempt.issue(command);

      expect(h.messages(1, "abort")).toMatchObject([
        {
          attempt: attempt.handle,
          reason: expect.stringMatching(
            /bytes, the limit stateKeyBytesMax is 8|bytes, the limit stateValueBytesMax is 4/,
          ) as string,
        },
      ]);
      expect([...h.tx.rows.keys()].filter((key) => /^[jsP]/.test(key))).toEqual(rows);
      expect(h.closed.size).toBe(0);
      expect(h.responses.has(request)).toBe(false);
      other.end("1");
      expect(h.responses.size).toBe(1);

      // Backing off: another attempt follows.
      h.advance(1_000);
      expect(h.starts(1).at(-1)?.target).toEqual(attempt.start.target);
    },
  );

  test("what is exactly at the limit is recorded", () => {
    const h = new CoreHarness(LIMITS);
    h.connect(1);
    const request = h.invoke("counter/a/add");
    const attempt = h.attempt(1);
    attempt.issue({ kind: "set-state", key: "öööö", value: bytes("1234") });
    attempt.end("1");
    expect(h.messages(1, "abort")).toEqual([]);
    expect(h.responses.get(request)).toMatchObject({ kind: "completed", result: { ok: true } });
  });
});
