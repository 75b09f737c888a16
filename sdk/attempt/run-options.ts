/** The options of a run as its command says them. What is wrong with one is thrown at the call. */
import type { RunMode, RunRetryPolicy } from "../../protocol/command.ts";
import { DEFAULT_RETRY_POLICY } from "../../protocol/retry.ts";
import { durationToMs } from "../duration.ts";
import type { RunOptions } from "../run.ts";

type Options = RunOptions<unknown>;

const MODES: readonly RunMode[] = ["at-least-once", "at-most-once", "probe"];

export function modeOf(options: Options): RunMode {
  const { probe, mode = probe === undefined ? "at-least-once" : "probe" } = options;
  if (!MODES.includes(mode)) {
    const known = MODES.map((it) => `"${it}"`).join(", ");
    throw new TypeError(`the mode of a run is one of ${known}, got ${JSON.stringify(mode)}`);
  }
  if (mode === "probe" && typeof probe !== "function") {
    throw new TypeError(
      'a run of mode "probe" needs a function that asks whether it happened: { probe: async ({ idempotencyToken }) => ({ happened: false }) }',
    );
  }
  if (mode !== "probe" && probe !== undefined) {
    throw new TypeError(
      `a run with a probe has the mode "probe", not "${mode}": leave out the mode, or the probe`,
    );
  }
  if (mode === "at-most-once" && hasRetryOption(options)) {
    throw new TypeError(
      "an at-most-once run has no second try: leave out its retry options, or give it a probe",
    );
  }
  return mode;
}

/** With none of the retry options the policy of the invocation rules. */
export function retryOf(options: Options): RunRetryPolicy | null {
  if (!hasRetryOption(options)) return null;
  const { maxRetryAttempts, maxRetryDuration, initialRetryInterval, maxRetryInterval } = options;
  if (
    maxRetryAttempts !== undefined &&
    !(Number.isInteger(maxRetryAttempts) && maxRetryAttempts >= 1)
  ) {
    throw new RangeError(`maxRetryAttempts must be a whole number from 1, got ${maxRetryAttempts}`);
  }
  const factor = options.retryIntervalFactor ?? 2;
  if (!(Number.isFinite(factor) && factor >= 1)) {
    throw new RangeError(`retryIntervalFactor must be a number from 1, got ${factor}`);
  }
  return {
    initialIntervalMs: durationToMs(initialRetryInterval ?? 50, "initialRetryInterval"),
    factor,
    maxIntervalMs: durationToMs(maxRetryInterval ?? 10_000, "maxRetryInterval"),
    maxAttempts: maxRetryAttempts ?? null,
    maxDurationMs:
      maxRetryDuration === undefined ? null : durationToMs(maxRetryDuration, "maxRetryDuration"),
    jitter: jitterOf(options),
    onMaxAttempts: afterLastTry(options),
  };
}

/** Asked at each run: so without a list of them. */
function hasRetryOption(options: Options): boolean {
  return (
    options.maxRetryAttempts !== undefined ||
    options.maxRetryDuration !== undefined ||
    options.initialRetryInterval !== undefined ||
    options.maxRetryInterval !== undefined ||
    options.retryIntervalFactor !== undefined ||
    options.retryJitter !== undefined ||
    options.onMaxAttempts !== undefined
  );
}

function jitterOf({ retryJitter = DEFAULT_RETRY_POLICY.jitter }: Options): number {
  if (retryJitter >= 0 && retryJitter <= 1) return retryJitter;
  throw new RangeError(
    `retryJitter is the share of a wait by which it varies, from 0 to 1, got ${retryJitter}`,
  );
}

function afterLastTry(options: Options): "fail" | "pause" {
  const { onMaxAttempts = "fail", maxRetryAttempts, maxRetryDuration } = options;
  if (onMaxAttempts !== "fail" && onMaxAttempts !== "pause") {
    throw new TypeError(
      `onMaxAttempts of a run is "fail" or "pause", got ${JSON.stringify(onMaxAttempts)}`,
    );
  }
  if (
    options.onMaxAttempts !== undefined &&
    maxRetryAttempts === undefined &&
    maxRetryDuration === undefined
  ) {
    throw new TypeError(
      "onMaxAttempts says what happens when no try is left, and this run has no limit: set maxRetryAttempts or maxRetryDuration as well",
    );
  }
  return onMaxAttempts;
}
