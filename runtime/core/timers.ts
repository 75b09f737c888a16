/**
 * Timers are rows in order of time. Memory holds only when the first one is due, and a key below which
 * there is none: a read from the beginning would pass over all that were taken and are not off the disk yet.
 */
import { parseTimerKey, prefixEnd, timerKey, TIMERS, type Timer } from "./keys.ts";
import type { Memory, Step } from "./step.ts";
import type { ReadTx } from "./tx.ts";

const EMPTY = new Uint8Array(0);

/**
 * Rows handled per input, so that a million due timers do not hold up everything else. Few, so that those
 * that are woken find room: else each of them is written to a ready queue, and read again from there.
 */
const DUE_MAX = 64;

/** A time from now as a worker or a client may give it, made into one that a timer can have. */
export function dueIn(step: Step, delayMs: number): number {
  return step.nowMs + wholeMs(Math.min(delayMs, step.memory.limits.delayMsMax));
}

/** A duration as keys can have it: whole, not negative; NaN is none. */
export function wholeMs(durationMs: number): number {
  return durationMs > 0 ? Math.ceil(durationMs) : 0;
}

export function setTimer(step: Step, timer: Timer): void {
  const key = timerKey(timer);
  step.tx.insert(key, EMPTY);
  const { memory } = step;
  if (key < memory.timersFrom) memory.timersFrom = key;
  if (memory.nextDueAtMs === undefined) memory.nextDueAtMs = timer.dueAtMs;
  else if (memory.nextDueAtMs !== "unknown" && timer.dueAtMs < memory.nextDueAtMs) {
    memory.nextDueAtMs = timer.dueAtMs;
  }
}

/** Like `setTimer`, for one that may be there already. */
export function ensureTimer(step: Step, timer: Timer): void {
  if (step.tx.get(timerKey(timer)) === undefined) setTimer(step, timer);
}

export function clearTimer(step: Step, timer: Timer): void {
  step.tx.remove(timerKey(timer));
  step.timersCleared++;
  if (step.memory.nextDueAtMs === timer.dueAtMs) step.memory.nextDueAtMs = "unknown";
}

/** The timers that are due, in order of time, taken out of the rows one by one. */
export function* takeDueTimers(step: Step): Generator<Timer> {
  const { memory } = step;
  const to = timerKey({ dueAtMs: step.nowMs + 1, sequence: 0, kind: "start", id: 0 });
  const rows = step.tx.range({ from: memory.timersFrom, to, limit: DUE_MAX });
  memory.nextDueAtMs = "unknown";
  const last = rows.at(-1);
  if (last !== undefined) memory.timersFrom = `${last[0]}\0`;
  const clearedBefore = step.timersCleared;
  for (const [key] of rows) {
    // What came before it in this step may have cleared it: then nobody wants it any more.
    if (step.timersCleared > clearedBefore && step.tx.get(key) === undefined) continue;
    step.tx.remove(key);
    yield parseTimerKey(key);
  }
  // Others may be due as well: the next step looks at them anyway, so nobody looks in between.
  memory.nextDueAtMs = rows.length < DUE_MAX ? "unknown" : step.nowMs;
}

export function nextDueAtMs(tx: ReadTx, memory: Memory): number | undefined {
  // Work that goes on in pieces, one per step.
  if (memory.pauses.resuming.size > 0 || memory.refill.size > 0) return 0;
  if (memory.nextDueAtMs === "unknown") {
    const [first] = tx.range({ from: memory.timersFrom, to: prefixEnd(TIMERS), limit: 1 });
    memory.nextDueAtMs = first && parseTimerKey(first[0]).dueAtMs;
    if (first !== undefined) memory.timersFrom = first[0];
  }
  return memory.nextDueAtMs;
}
