/**
 * How long to wait before another try, and whether there is one.
 *
 * No delay is shorter than `RETRY_DELAY_MS_MIN`, whatever a policy or an error asks for: what fails at
 * once and is tried at once is a loop that takes the machine from everybody else.
 */
import { fraction } from "./seed.ts";

export const RETRY_DELAY_MS_MIN = 10;

export interface Backoff {
  readonly initialIntervalMs: number;
  readonly factor: number;
  readonly maxIntervalMs: number;
  /** Share by which a delay is made shorter or longer: what failed together does not return together. */
  readonly jitter: number;
}

export interface TryLimits {
  readonly maxAttempts: number | null;
  readonly maxDurationMs: number | null;
}

/** What has been tried so far, and when the next try would be. */
export interface Tried {
  readonly failures: number;
  /** From when `maxDurationMs` counts; null when it has not begun. */
  readonly sinceMs: number | null;
  readonly nextAtMs: number;
}

/** Delay before the next try after `failures` failures (1 and up). The same for the same seed. */
export function nextDelayMs(policy: Backoff, failures: number, seed: string, salt: number): number {
  const { initialIntervalMs, factor, maxIntervalMs, jitter } = policy;
  const grown = initialIntervalMs * factor ** (failures - 1);
  // Nothing times a factor that has grown beyond all numbers is no number.
  const capped = Math.min(Number.isNaN(grown) ? 0 : grown, maxIntervalMs);
  const spread = 1 + jitter * (2 * fraction(seed, failures * 65_537 + salt) - 1);
  return atLeastMin(Math.round(capped * spread));
}

export function atLeastMin(delayMs: number): number {
  return Math.max(RETRY_DELAY_MS_MIN, delayMs);
}

/** Whether a policy allows no further try. */
export function isExhausted(limits: TryLimits, { failures, sinceMs, nextAtMs }: Tried): boolean {
  if (limits.maxAttempts !== null && failures >= limits.maxAttempts) return true;
  if (limits.maxDurationMs === null || sinceMs === null) return false;
  return nextAtMs - sinceMs > limits.maxDurationMs;
}
