/** What tests of limits share: commands, and the proof that one was refused and nothing is lost. */
import { expect } from "vitest";
import type { Limits } from "../../runtime/core/limits.ts";
import { bytes, CoreHarness, type CommandBody, type ScriptedAttempt } from "./core-harness.ts";
import { brokenReferences } from "./check-rows.ts";

/** Rows that a refused command must leave as they are: all but the record, and what its back-off needs. */
function kept(h: CoreHarness): string[] {
  return [...h.tx.rows.keys()].filter((key) => !/^[tRan]/.test(key)).sort();
}

export function harness(limits: Partial<Limits>): CoreHarness {
  const h = new CoreHarness(limits);
  h.connect(1);
  return h;
}

export function send(to: string, more: Partial<CommandBody & { kind: "send" }> = {}): CommandBody {
  const [service = "", key = "", name = ""] = to.split("/");
  const target = { service, key: key === "" ? null : key, handler: name };
  const body = { target, parameter: bytes(""), headers: [], idempotencyKey: null, delayMs: 0 };
  return { kind: "send", ...body, ...more };
}

export function call(to: string, completionId: number): CommandBody {
  const { target, parameter, headers, idempotencyKey } = send(to) as CommandBody & { kind: "send" };
  return { kind: "call", target, parameter, headers, idempotencyKey, completionId };
}

export const ok = (size: number) => ({ ok: true, value: bytes("x".repeat(size)) }) as const;

/** The attempt ends with a failure that names the limit, nothing is recorded, and another one comes. */
export function expectRefused(
  h: CoreHarness,
  attempt: ScriptedAttempt,
  act: () => void,
  message: RegExp,
): void {
  const before = kept(h);
  const { target } = attempt.start;
  act();
  expect(attempt.aborts()).toMatchObject([{ reason: expect.stringMatching(message) as string }]);
  expect(kept(h)).toEqual(before);
  expect(brokenReferences(h.tx)).toEqual([]);
  h.advance(60_000);
  expect(h.attempt(1).start.target).toEqual(target);
  expect(h.attempt(1).handle).not.toBe(attempt.handle);
}
