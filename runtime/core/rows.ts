/**
 * What stands in the rows. Each value is a packed array whose fields are listed where it is written;
 * a field is only ever added at the end. The store below adds and checks a checksum per row.
 */
import { assert } from "../../protocol/assert.ts";
import type { Plain } from "../../protocol/fields.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import {
  commandFromPlain,
  deliveryFromPlain,
  failureFromPlain,
  failureToPlain,
  resultFromPlain,
  resultToPlain,
} from "../../protocol/plain.ts";
import type { Command, Delivery, Header, RunMode, RunRetryPolicy } from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";
import type { Payload, Result } from "../../protocol/payload.ts";
import type { Invocation } from "./invocation.ts";
import type { Sequence } from "./keys.ts";
import { decodeOpen, encodeOpen } from "./open-record.ts";
import { decodeSealed, encodeSealed, isSealed } from "./sealed-record.ts";
import { DamagedRow, DamagedRowError } from "./tx.ts";

/**
 * A row that has been written by this code reads back as it was: the cast undoes `packValue`.
 *
 * @throws DamagedRowError when it is not what was written
 */
export function fields<T extends readonly Plain[]>(row: Uint8Array, count: number): T {
  if (row instanceof DamagedRow) throw new DamagedRowError(row.problem);
  const value = unpackValue(row);
  assert(Array.isArray(value) && value.length >= count, `a row of fewer than ${count} fields`);
  return value as unknown as T;
}

export function encodeInvocation(it: Invocation): Uint8Array {
  return it.status === "completed" ? encodeSealed(it) : encodeOpen(it);
}

/** @throws DamagedRowError when it is not what was written */
export function decodeInvocation(sequence: Sequence, row: Uint8Array): Invocation {
  if (row instanceof DamagedRow) throw new DamagedRowError(row.problem);
  return isSealed(row) ? decodeSealed(sequence, row) : decodeOpen(sequence, row);
}

/** What the invocation was called with. Written once. */
export interface InputRow {
  readonly parameter: Payload;
  readonly headers: readonly Header[];
}

export function encodeInput(it: InputRow): Uint8Array {
  return packValue([it.parameter, it.headers.map(([name, value]) => [name, value])]);
}

export function decodeInput(row: Uint8Array): InputRow {
  const [parameter, headers] = fields<[Uint8Array, [string, string][]]>(row, 2);
  return { parameter, headers };
}

/** How the invocation ended. Written once. */
export interface OutcomeRow {
  readonly result: Result;
  readonly contentType: string;
}

export function encodeOutcome(it: OutcomeRow): Uint8Array {
  return packValue([resultToPlain(it.result), it.contentType]);
}

export function decodeOutcome(row: Uint8Array): OutcomeRow {
  const [result, contentType] = fields<[Plain, string]>(row, 2);
  return { result: resultFromPlain(result), contentType };
}

export { encodeJournalEntry } from "./journal-entry.ts";

/** A journal entry. `child`: the invocation that a call or send created or found. */
export type JournalEntry =
  | {
      readonly kind: "command";
      readonly command: Command;
      readonly atMs: number;
      readonly child: Sequence | null;
    }
  | { readonly kind: "delivery"; readonly delivery: Delivery; readonly atMs: number };

export function decodeJournalEntry(row: Uint8Array): JournalEntry {
  const f = fields<[0 | 1, Plain, number, ...(number | null)[]]>(row, 3);
  return f[0] === 0
    ? { kind: "command", command: commandFromPlain(f[1]), atMs: f[2], child: f[3] ?? null }
    : { kind: "delivery", delivery: deliveryFromPlain(f[1]), atMs: f[2] };
}

/** An outstanding completion: what will complete it. */
export type Pending =
  | { readonly kind: "sleep"; readonly dueAtMs: number }
  | { readonly kind: "call"; readonly child: Sequence }
  | { readonly kind: "attach"; readonly target: Sequence }
  | { readonly kind: "awakeable" }
  | { readonly kind: "promise"; readonly name: string };

/** With the place in the journal of the command that waits: its name and time stand there. */
export type PendingRow = Pending & { readonly entry: number };

/** The place by itself: a spread of both would be V8's slow path, for each command that waits. */
export function encodePending(it: Pending, entry: number): Uint8Array {
  switch (it.kind) {
    case "sleep":
      return packValue([it.kind, it.dueAtMs, entry]);
    case "call":
      return packValue([it.kind, it.child, entry]);
    case "attach":
      return packValue([it.kind, it.target, entry]);
    case "promise":
      return packValue([it.kind, it.name, entry]);
    case "awakeable":
      return packValue([it.kind, null, entry]);
  }
}

type PendingFields =
  | ["sleep" | "call" | "attach", number, entry: number]
  | ["promise", string, entry: number]
  | ["awakeable", null, entry: number];

export function decodePending(row: Uint8Array): PendingRow {
  const f = fields<PendingFields>(row, 3);
  const entry = f[2];
  switch (f[0]) {
    case "sleep":
      return { kind: "sleep", dueAtMs: f[1], entry };
    case "call":
      return { kind: "call", child: f[1], entry };
    case "attach":
      return { kind: "attach", target: f[1], entry };
    case "promise":
      return { kind: "promise", name: f[1], entry };
    case "awakeable":
      return { kind: "awakeable", entry };
  }
}

/**
 * A run without a result. Counts of tries and failures stand here and not in the journal, so that
 * the journal is what replay needs and nothing else.
 */
export interface Run {
  readonly completionId: number;
  readonly name: string;
  readonly retry: RunRetryPolicy | null;
  /** Gos granted; the number of the last try. */
  readonly tries: number;
  readonly failures: number;
  readonly firstTryAtMs: number | null;
  /** While it backs off: when the next try is due. */
  readonly nextTryAtMs: number | null;
  readonly lastFailure: Failure | null;
  /** A cancellation covers it: it gets no further go. */
  readonly cancelled: boolean;
  readonly mode: RunMode;
  /** Its closure was let go, and no probe since has said that it did not happen. */
  readonly mayHaveHappened: boolean;
  /** When the first of its failures came; null while there are none. */
  readonly failingSinceMs: number | null;
}

export function encodeRun(it: Run): Uint8Array {
  const retry = it.retry && [
    it.retry.initialIntervalMs,
    it.retry.factor,
    it.retry.maxIntervalMs,
    it.retry.maxAttempts,
    it.retry.maxDurationMs,
    it.retry.jitter,
    it.retry.onMaxAttempts,
  ];
  return packValue([
    it.completionId,
    it.name,
    retry,
    it.tries,
    it.failures,
    it.firstTryAtMs,
    it.nextTryAtMs,
    it.lastFailure && failureToPlain(it.lastFailure),
    it.cancelled,
    it.mode,
    it.mayHaveHappened,
    it.failingSinceMs,
  ]);
}

type RetryFields = [
  initialIntervalMs: number,
  factor: number,
  maxIntervalMs: number,
  maxAttempts: number | null,
  maxDurationMs: number | null,
  jitter: number,
  onMaxAttempts: RunRetryPolicy["onMaxAttempts"],
];
type RunFields = [
  completionId: number,
  name: string,
  retry: RetryFields | null,
  tries: number,
  failures: number,
  firstTryAtMs: number | null,
  nextTryAtMs: number | null,
  lastFailure: Plain,
  cancelled: boolean,
  mode: RunMode,
  mayHaveHappened: boolean,
  failingSinceMs: number | null,
];

export function decodeRun(row: Uint8Array): Run {
  const f = fields<RunFields>(row, 12);
  const retry = f[2] && {
    initialIntervalMs: f[2][0],
    factor: f[2][1],
    maxIntervalMs: f[2][2],
    maxAttempts: f[2][3],
    maxDurationMs: f[2][4],
    jitter: f[2][5],
    onMaxAttempts: f[2][6],
  };
  return {
    completionId: f[0],
    name: f[1],
    retry,
    tries: f[3],
    failures: f[4],
    firstTryAtMs: f[5],
    nextTryAtMs: f[6],
    lastFailure: f[7] === null ? null : failureFromPlain(f[7]),
    cancelled: f[8],
    mode: f[9],
    mayHaveHappened: f[10],
    failingSinceMs: f[11],
  };
}

/** Who holds a key, and how many wait in its inbox. */
export interface Lock {
  readonly holder: Sequence;
  readonly waiting: number;
  /** When this holder took it. */
  readonly sinceMs: number;
}

export function encodeLock(it: Lock): Uint8Array {
  return packValue([it.holder, it.waiting, it.sinceMs]);
}

export function decodeLock(row: Uint8Array): Lock {
  const [holder, waiting, sinceMs] = fields<[number, number, number]>(row, 3);
  return { holder, waiting, sinceMs };
}

export function encodeNumber(value: number): Uint8Array {
  return packValue([value]);
}

export function decodeNumber(row: Uint8Array): number {
  return fields<[number]>(row, 1)[0];
}

export function encodeResult(result: Result): Uint8Array {
  return packValue([resultToPlain(result)]);
}

export function decodeResult(row: Uint8Array): Result {
  return resultFromPlain(fields<[Plain]>(row, 1)[0]);
}

/** One version of the code, and the services it has announced so far. */
export interface DeploymentRow {
  readonly version: string;
  readonly createdAtMs: number;
  readonly services: readonly ServiceManifest[];
}

/** Manifests are JSON in a row as on the wire: few, read at the start, and easy to extend. */
export function encodeDeployment(it: DeploymentRow): Uint8Array {
  return packValue([it.version, it.createdAtMs, JSON.stringify(it.services)]);
}

export function decodeDeployment(row: Uint8Array): DeploymentRow {
  const [version, createdAtMs, services] = fields<[string, number, string]>(row, 3);
  return { version, createdAtMs, services: JSON.parse(services) as ServiceManifest[] }; // written by encodeDeployment
}

/** A service as callers see it: the deployment that takes its new invocations, and how it looks there. */
export interface ServiceRow {
  readonly version: string;
  readonly manifest: ServiceManifest;
}

export function encodeService(it: ServiceRow): Uint8Array {
  return packValue([it.version, JSON.stringify(it.manifest)]);
}

export function decodeService(row: Uint8Array): ServiceRow {
  const [version, manifest] = fields<[string, string]>(row, 2);
  return { version, manifest: JSON.parse(manifest) as ServiceManifest }; // written by encodeService
}
