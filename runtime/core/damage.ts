/**
 * Stored rows that are damaged, and what becomes of whom they belong to. Each is met where it is
 * needed: nothing looks for them, so that a start costs no more than before.
 *
 * 1. A damaged record quarantines its invocation: nobody acts on it or for it, requests for it are
 *    answered with a sentence, and what it holds (its key) it keeps. Memory remembers which are known,
 *    so that each is told of once.
 * 2. Any other row that an attempt needs pauses its invocation, which is whole otherwise: it may be
 *    resumed (and pauses again while the row is damaged), cancelled or killed.
 * 3. What a step needs is read before it changes anything: damage never ends a step in its middle.
 * 4. What can be known without the row goes on without it.
 */
import { FailureCode, type Failure } from "../../protocol/failure.ts";
import { changed } from "./changed.ts";
import { invocationIdOf, setStatus, type Invocation } from "./invocation.ts";
import type { Sequence } from "./keys.ts";
import type { Step } from "./step.ts";
import { DamagedRow, DamagedRowError } from "./tx.ts";

const RESTORE = "check the data directory with holdfast verify, and restore it from a backup";

/** What is known to be damaged, with the problems. */
export interface Damage {
  readonly records: Map<Sequence, string>;
  /** Services whose row is damaged and that no worker has announced since, by name. */
  readonly services: Map<string, string>;
}

export function noDamage(): Damage {
  return { records: new Map(), services: new Map() };
}

/** What `read` gives; or the damage that it met. */
export function tryRead<T>(read: () => T): T | DamagedRowError {
  try {
    return read();
  } catch (error) {
    if (error instanceof DamagedRowError) return error;
    throw error;
  }
}

/** What `read` gives; or that, when it met damage. */
export function readOr<T, U>(read: () => T, otherwise: U): T | U {
  const found = tryRead(read);
  return found instanceof DamagedRowError ? otherwise : found;
}

/** A number without which nothing can be trusted. */
export function readVital<T>(read: () => T): T {
  const found = tryRead(read);
  if (!(found instanceof DamagedRowError)) return found;
  throw new DamagedRowError(`${found.message}. Without it the runtime does not start: ${RESTORE}`);
}

export function damageOf(row: Uint8Array | undefined): string | undefined {
  return row instanceof DamagedRow ? row.problem : undefined;
}

export function warnDamage(step: Step, problem: string, then: string): void {
  const message = `${problem}; ${then}`;
  step.effects.push({ kind: "warn", when: "durable", demand: false, message, facts: {} });
}

/** Its record is damaged: told once. */
export function quarantine(step: Step, sequence: Sequence, problem: string): void {
  const { records } = step.memory.damage;
  if (records.has(sequence)) return;
  records.set(sequence, problem);
  const message = `${quarantined(sequence, problem)}; everything else goes on`;
  const facts = { sequence };
  step.effects.push({ kind: "warn", when: "durable", demand: false, message, facts });
}

export function isQuarantined(step: Step, sequence: Sequence): boolean {
  return step.memory.damage.records.has(sequence);
}

interface Refusal {
  readonly code: number;
  readonly message: string;
}

/** To whoever asks for what `load` has not found: undefined when it is simply not there. */
export function quarantineOf(step: Step, sequence: Sequence): Refusal | undefined {
  const problem = step.memory.damage.records.get(sequence);
  if (problem === undefined) return undefined;
  return { code: FailureCode.internal, message: quarantined(sequence, problem) };
}

export function quarantined(sequence: Sequence, problem: string): string {
  return `invocation number ${sequence} is quarantined, since its record cannot be read: ${problem}. It does not go on, and keeps its key if it held one; ${RESTORE}`;
}

/** A row that a request needs. */
export function damagedRefusal({ message }: DamagedRowError): Refusal {
  return { code: FailureCode.internal, message: `${message}; ${RESTORE}` };
}

/** A row that an attempt needs. */
export function damagedFailure(problem: string): Failure {
  const message = `${problem}. It cannot go on without it: ${RESTORE}, or kill it`;
  return { name: "DamagedRowError", message, code: FailureCode.internal };
}

/** It has left its status: it waits until somebody decides. */
export function pauseDamaged(step: Step, invocation: Invocation, { message }: Error): void {
  const failure = damagedFailure(message);
  setStatus(invocation, "paused", step.nowMs);
  invocation.pauseReason = "damaged";
  invocation.nextAttemptAtMs = null;
  invocation.lastFailure = { failure, stack: "", command: null, atMs: step.nowMs };
  changed(step, invocation);
  const warning = `${invocationIdOf(invocation)} is paused: ${failure.message}`;
  const facts = { invocation: invocationIdOf(invocation) };
  step.effects.push({ kind: "warn", when: "durable", demand: false, message: warning, facts });
}
