/**
 * What is withdrawn leaves nothing behind, whatever it is. A worker that withdrew an attach or the wait
 * for a promise left its place among the waiters behind, which a completion would then have come upon.
 * Found by worlds of hostile workers whose rows are checked after every message.
 */
import { expect, test } from "vitest";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, CoreHarness, type CommandBody } from "../support/core-harness.ts";

const call = {
  kind: "call",
  target: { service: "counter", key: "a", handler: "add" },
  parameter: bytes("1"),
  headers: [],
  idempotencyKey: null,
  completionId: 1,
} as const;

test.each<[string, (other: string) => CommandBody]>([
  ["a sleep", () => ({ kind: "sleep", durationMs: 1_000, completionId: 1 })],
  ["a call", () => call],
  ["an attach", (other) => ({ kind: "attach", invocationId: other as never, completionId: 1 })],
  ["an awakeable", () => ({ kind: "awakeable", completionId: 1 })],
  ["a promise", () => ({ kind: "get-promise", promise: "p", completionId: 1 })],
])("%s that is withdrawn has no row left, and is completed by nobody", (_, body) => {
  const h = new CoreHarness();
  h.connect(1);
  h.invoke("greeter/greet", { mode: "send" });
  const other = h.attempt(1);
  h.invoke("signup/w/run", { mode: "send" });
  const attempt = h.attempt(1);
  attempt.issue(body(other.start.invocationId));
  attempt.issue({ kind: "withdraw", completionId: 1 });
  expect(brokenReferences(h.tx)).toEqual([]);
  other.end("1");
  h.advance(2_000);
  expect(attempt.deliveries()).toEqual([]);
  attempt.end("2");
  expect(brokenReferences(h.tx)).toEqual([]);
});
