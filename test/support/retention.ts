/** The machine with short retentions, and what tests of their end look at. */
import { expect } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import type { Response } from "../../runtime/core/effect.ts";
import type { InvocationRef } from "../../runtime/core/input.ts";
import { PURGE_ROWS_PER_STEP, PURGE_STEP_MS } from "../../runtime/core/purge.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { unpackJournal } from "../../runtime/core/sealed-history.ts";
import { bytes, CoreHarness, SortedTx, type ScriptedAttempt } from "./core-harness.ts";
import { brokenReferences } from "./check-rows.ts";

const LIMITS = {
  idempotencyRetentionMs: 10_000,
  workflowRetentionMs: 10_000,
  journalRetentionMs: 10_000,
};
/** More rows than go in one step, twice. */
export const LONG = 2 * PURGE_ROWS_PER_STEP + 100;
export const YES = { ok: true, value: bytes("1") } as const;

export class Retention extends CoreHarness {
  constructor(limits: Readonly<Record<string, number>> = {}) {
    super({ ...LIMITS, ...limits }, { tx: new SortedTx() });
    this.connect(1);
  }

  /** Rows of everything that was ever invoked. */
  left(prefixes = "Iijoprwaeyt"): string[] {
    return [...this.tx.rows.keys()].filter((key) => prefixes.includes(key.charAt(0)));
  }

  count(prefix: string): number {
    return this.left(prefix).length;
  }

  /** Entries of all journals, in rows and in records. */
  entries(): number {
    const sealed = this.left("I").map((key) => {
      const it = decodeInvocation(0, this.tx.get(key) ?? bytes(""));
      return it.inRecord?.journal == null ? 0 : unpackJournal(it.inRecord.journal, it).length;
    });
    return sealed.reduce((sum, count) => sum + count, this.count("j"));
  }

  output(ref: InvocationRef): Response | undefined {
    return this.ask((request) => ({ kind: "output", request, ref }));
  }

  attach(ref: InvocationRef): Response | undefined {
    return this.ask((request) => ({ kind: "attach", request, ref }));
  }

  purge(invocationId: InvocationId): Response | undefined {
    return this.ask((request) => ({ kind: "purge", request, invocationId }));
  }

  sound(): void {
    expect(brokenReferences(this.tx)).toEqual([]);
  }

  /** One step of removal, in which everything stays where it belongs. */
  purgeStep(): void {
    this.nowMs += PURGE_STEP_MS;
    this.apply({ kind: "timers-due" });
    this.sound();
  }
}

/** A journal of as many entries as asked for: answered at once, each date makes two. */
export function fill(attempt: ScriptedAttempt, entries: number): void {
  for (let id = 1; id <= entries / 2; id++) attempt.issue({ kind: "date", completionId: id });
}

export const NOT_FOUND = { kind: "refused", code: 404, message: "invocation not found" };
