import { fraction } from "./seed.ts";

/** Spread around the computed delay: +-20 %, so that what failed together does not return together. */
const JITTER = 0.2;

interface Backoff {
  readonly initialIntervalMs: number;
  readonly factor: number;
  readonly maxIntervalMs: number;
}

/** Delay before the next try after `failures` failures (1 and up). The same for the same seed. */
export function nextDelayMs(policy: Backoff, failures: number, seed: string, salt: number): number {
  const grown = policy.initialIntervalMs * policy.factor ** (failures - 1);
  const capped = Math.min(grown, policy.maxIntervalMs);
  const spread = 1 + JITTER * (2 * fraction(seed, failures * 65_537 + salt) - 1);
  return Math.max(1, Math.round(capped * spread));
}
