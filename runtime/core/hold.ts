/**
 * Pause and resume of a key and of a service. `pauses.ts` keeps the marks, `ready.ts` heeds them;
 * this file stops what runs and lets go what was kept back.
 *
 * 1. A pause stops attempts that run: their invocations are ready, keep their key, and wait. That is
 *    no failure. New calls are accepted and wait; timers, completions and signals are recorded.
 * 2. Letting go is done in bounded steps, one per `timers-due`, until nothing of the key is parked.
 */
import { assert } from "../../protocol/assert.ts";
import { isQuarantined } from "./damage.ts";
import { parkedPrefix, pausedKeyKey, prefixEnd, readU48 } from "./keys.ts";
import { leaveStatus } from "./leave-status.ts";
import {
  forgetKeyPause,
  forgetServicePause,
  PAUSED_KEYS_MAX,
  writeKeyPause,
  writeServicePause,
} from "./pauses.ts";
import { makeReady, unpark } from "./ready.ts";
import { free, load, type Attempt, type Step } from "./step.ts";

/** Parked invocations of one key that one step lets go. */
const UNPARKED_PER_STEP_MAX = 256;

export type Held = "paused" | "paused-already" | "too-many-pauses" | "resumed" | "not-paused";

export function pauseKey(step: Step, service: string, key: string): Held {
  const { keys, resuming } = step.memory.pauses;
  const row = pausedKeyKey(service, key);
  if (keys.has(row)) return "paused-already";
  if (!resuming.has(row) && keys.size + resuming.size >= PAUSED_KEYS_MAX) return "too-many-pauses";
  writeKeyPause(step, { service, key, sinceMs: step.nowMs, resuming: false });
  stop(step, `key ${key} of ${service} is paused`, ({ invocation: { target } }) => {
    return target.service === service && target.key === key;
  });
  return "paused";
}

export function resumeKey(step: Step, service: string, key: string): Held {
  if (!step.memory.pauses.keys.has(pausedKeyKey(service, key))) return "not-paused";
  writeKeyPause(step, { service, key, sinceMs: step.nowMs, resuming: true });
  letGo(step, service, key);
  return "resumed";
}

export function pauseService(step: Step, service: string): Held {
  if (step.memory.pauses.services.has(service)) return "paused-already";
  writeServicePause(step, service);
  stop(step, `service ${service} is paused`, (it) => it.invocation.target.service === service);
  return "paused";
}

export function resumeService(step: Step, service: string): Held {
  if (!step.memory.pauses.services.has(service)) return "not-paused";
  forgetServicePause(step, service);
  for (const connection of step.memory.connections.values()) free(step, connection);
  return "resumed";
}

/** What one step could not do whole: goes on with it. */
export function continueHeld(step: Step): void {
  for (const { service, key } of [...step.memory.pauses.resuming.values()]) {
    letGo(step, service, key);
  }
  for (const connection of step.memory.refill) free(step, connection);
  step.memory.refill.clear();
}

function letGo(step: Step, service: string, key: string): void {
  const prefix = parkedPrefix(service, key);
  const range = { from: prefix, to: prefixEnd(prefix), limit: UNPARKED_PER_STEP_MAX };
  const rows = step.tx.range(range);
  for (const [row] of rows) {
    const sequence = readU48(row, prefix.length);
    const invocation = load(step, sequence);
    if (invocation === undefined) {
      assert(isQuarantined(step, sequence), "a parked row belongs to an invocation");
      step.tx.remove(row);
    } else unpark(step, invocation);
  }
  if (rows.length < UNPARKED_PER_STEP_MAX) forgetKeyPause(step, service, key);
}

/** Costs what runs, not what waits. */
function stop(step: Step, reason: string, meant: (attempt: Attempt) => boolean): void {
  for (const attempt of step.memory.attempts.values()) {
    if (!meant(attempt)) continue;
    leaveStatus(step, attempt.invocation, reason);
    makeReady(step, attempt.invocation);
  }
}
