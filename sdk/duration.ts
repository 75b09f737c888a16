/** A length of time in units. The members add up: `{ minutes: 1, seconds: 30 }` is 90 seconds. */
export interface DurationUnits {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
}

/**
 * A length of time: a number is milliseconds, an object names its units.
 *
 * @example ctx.sleep(1500); ctx.sleep({ hours: 2, minutes: 30 });
 */
export type Duration = number | DurationUnits;

/** 100 years. A longer wait is a mistake in a unit, and dates far beyond it lose precision. */
export const DURATION_MS_MAX: number = 36_525 * 24 * 60 * 60 * 1000;

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["days", 24 * 60 * 60 * 1000],
  ["hours", 60 * 60 * 1000],
  ["minutes", 60 * 1000],
  ["seconds", 1000],
  ["milliseconds", 1],
]);

/**
 * Whole milliseconds of a duration.
 *
 * @param what names the value in errors: "the duration of ctx.sleep"
 * @throws TypeError when it is not a duration; RangeError when it is negative, not finite or too long
 */
export function durationToMs(duration: Duration, what: string): number {
  const ms = typeof duration === "number" ? duration : sumOfUnits(duration, what);
  if (!Number.isFinite(ms)) {
    throw new RangeError(`${what} must be a finite length of time, got ${ms}`);
  }
  if (ms < 0) throw new RangeError(`${what} must not be negative, got ${ms} ms`);
  if (ms > DURATION_MS_MAX) {
    throw new RangeError(`${what} must not be longer than 100 years, got ${ms} ms`);
  }
  // Sums of fractions are off by a hair: rounding up would turn 300.00000000000004 ms into 301.
  return Math.round(ms);
}

function sumOfUnits(units: unknown, what: string): number {
  if (typeof units !== "object" || units === null) {
    throw new TypeError(
      `${what} must be a number of milliseconds or an object like { seconds: 5 }, got ${units === null ? "null" : typeof units}`,
    );
  }
  let ms = 0;
  let known = 0;
  for (const [unit, amount] of Object.entries(units)) {
    const unitMs = UNIT_MS.get(unit);
    if (unitMs === undefined) {
      throw new TypeError(
        `${what} has an unknown unit "${unit}": use days, hours, minutes, seconds, milliseconds`,
      );
    }
    if (amount === undefined) continue;
    if (typeof amount !== "number" || !Number.isFinite(amount)) {
      throw new RangeError(`${what}: ${unit} must be a finite number, got ${String(amount)}`);
    }
    if (amount < 0) throw new RangeError(`${what}: ${unit} must not be negative, got ${amount}`);
    ms += amount * unitMs;
    known += 1;
  }
  if (known === 0) throw new TypeError(`${what} names no unit: use { seconds: 5 } or milliseconds`);
  return ms;
}
