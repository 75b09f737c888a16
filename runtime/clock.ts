/** Time as the loop sees it: the wall clock, and one alarm. A simulation has its own. */
export interface Clock {
  nowMs(): number;
  /** Calls back once at or after `atMs`; a new alarm replaces the one before. `undefined` clears it. */
  setAlarm(atMs: number | undefined, callback: () => void): void;
}

/**
 * A later alarm is reached in steps, each of which looks at the clock anew. So an alarm is late by a
 * step at most when the clock is set forward or the machine has slept; and `setTimeout` takes no more
 * than 31 bits.
 */
const STEP_MS_MAX = 1_000;

export function systemClock(): Clock {
  let timer: NodeJS.Timeout | undefined;
  const setAlarm = (atMs: number | undefined, callback: () => void): void => {
    clearTimeout(timer);
    if (atMs === undefined) return;
    const delayMs = Math.max(0, atMs - Date.now());
    timer =
      delayMs > STEP_MS_MAX
        ? setTimeout(() => setAlarm(atMs, callback), STEP_MS_MAX)
        : setTimeout(callback, delayMs);
  };
  return { nowMs: () => Date.now(), setAlarm };
}
