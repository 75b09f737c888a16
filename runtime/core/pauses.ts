/**
 * Which keys and services are paused: durable marks, held in memory as well, since every start of an
 * attempt asks for them. `hold.ts` says what a pause does, `ready.ts` heeds it.
 *
 * 1. While a key or a service is paused no attempt of it runs and none starts; all else goes on.
 * 2. A key that is resumed keeps its row, marked as resuming, until the last invocation that was
 *    kept back for it has been let go: a crash in between goes on where it was.
 */
import type { Target } from "../../protocol/command.ts";
import { readOr } from "./damage.ts";
import {
  parsePauseKey,
  PAUSED_KEYS,
  PAUSED_SERVICES,
  pausedKeyKey,
  pausedServiceKey,
  prefixEnd,
} from "./keys.ts";
import { decodePause, encodePause, type PauseRow } from "./pause-rows.ts";
import type { Memory, Step } from "./step.ts";
import type { ReadTx, RowKey } from "./tx.ts";

/** Each is held in memory; those that are being resumed count as well. */
export const PAUSED_KEYS_MAX = 10_000;
const PAUSED_SERVICES_MAX = 100_000;

export interface Pauses {
  /** By the key of its row. */
  readonly keys: Set<string>;
  readonly services: Set<string>;
  /** Keys that have been resumed and still have invocations that are kept back; by the key of its row. */
  readonly resuming: Map<string, { readonly service: string; readonly key: string }>;
}

export function noPauses(): Pauses {
  return { keys: new Set(), services: new Set(), resuming: new Map() };
}

/** What keeps this target from starting: its service before its key. */
export function heldBy({ pauses }: Memory, target: Target): "service" | "key" | null {
  if (pauses.services.has(target.service)) return "service";
  return isKeyPaused(pauses, target) ? "key" : null;
}

export function isKeyPaused({ keys }: Pauses, { service, key }: Target): boolean {
  return keys.size > 0 && key !== null && keys.has(pausedKeyKey(service, key));
}

/** Since when a key is paused; undefined when it is not. */
export function keyPausedSince(tx: ReadTx, service: string, key: string): number | undefined {
  const row = tx.get(pausedKeyKey(service, key));
  const pause = row && readPause(pausedKeyKey(service, key), row);
  return pause && !pause.resuming ? pause.sinceMs : undefined;
}

/** Since when a service is paused; undefined when it is not. */
export function servicePausedSince(tx: ReadTx, service: string): number | undefined {
  const row = tx.get(pausedServiceKey(service));
  return row && readPause(pausedServiceKey(service), row).sinceMs;
}

/** All that are paused, services first. */
export function readPauses(tx: ReadTx): PauseRow[] {
  return readAll(tx).filter((it) => !it.resuming);
}

export function writeKeyPause(step: Step, pause: PauseRow & { readonly key: string }): void {
  const { pauses } = step.memory;
  const { service, key, resuming } = pause;
  const row = pausedKeyKey(service, key);
  step.tx.put(row, encodePause(pause));
  if (resuming) {
    pauses.keys.delete(row);
    pauses.resuming.set(row, { service, key });
  } else {
    pauses.resuming.delete(row);
    pauses.keys.add(row);
  }
}

/** The last that was kept back has been let go. */
export function forgetKeyPause(step: Step, service: string, key: string): void {
  const row = pausedKeyKey(service, key);
  step.tx.remove(row);
  step.memory.pauses.resuming.delete(row);
}

export function writeServicePause(step: Step, service: string): void {
  const pause = { service, key: null, sinceMs: step.nowMs, resuming: false };
  step.tx.put(pausedServiceKey(service), encodePause(pause));
  step.memory.pauses.services.add(service);
}

export function forgetServicePause(step: Step, service: string): void {
  step.tx.remove(pausedServiceKey(service));
  step.memory.pauses.services.delete(service);
}

export function recoverPauses(tx: ReadTx, { pauses }: Memory): void {
  for (const { service, key, resuming } of readAll(tx)) {
    if (key === null) pauses.services.add(service);
    else if (resuming) pauses.resuming.set(pausedKeyKey(service, key), { service, key });
    else pauses.keys.add(pausedKeyKey(service, key));
  }
}

/** Of a damaged row its key says enough: it is paused, nobody knows since when. */
function readPause(key: RowKey, row: Uint8Array): PauseRow {
  return readOr(() => decodePause(row), { ...parsePauseKey(key), sinceMs: 0, resuming: false });
}

function readAll(tx: ReadTx): PauseRow[] {
  const all = (prefix: string, limit: number): PauseRow[] =>
    tx
      .range({ from: prefix, to: prefixEnd(prefix), limit })
      .map(([key, row]) => readPause(key, row));
  return [...all(PAUSED_SERVICES, PAUSED_SERVICES_MAX), ...all(PAUSED_KEYS, PAUSED_KEYS_MAX)];
}
