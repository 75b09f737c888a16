import type { RetryPolicy } from "./manifest.ts";

/** Retry of an invocation when its service says nothing: for ever, 100 ms doubling to 10 s. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  initialIntervalMs: 100,
  factor: 2,
  maxIntervalMs: 10_000,
  maxAttempts: null,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "pause",
};
