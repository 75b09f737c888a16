/** Options of services and handlers, and how they become what a worker announces. */
import type { HandlerManifest, RetryPolicy } from "../protocol/manifest.ts";
import { DEFAULT_RETRY_POLICY } from "../protocol/retry.ts";
import { type Duration, durationToMs } from "./duration.ts";
import type { TerminalError } from "./errors.ts";
import { type Serde, serde } from "./serde.ts";

/** How attempts that fail are tried again. Failures count, restarts and resumes do not. */
export interface RetryOptions {
  /** Failed attempts in a row after which `onMaxAttempts` applies. Default: no limit. */
  readonly maxAttempts?: number;
  /** Time since the first of the failures in a row after which it applies as well. Default: no limit. */
  readonly maxDuration?: Duration;
  /** What happens then: "pause" (default) waits for somebody to look, "kill" fails the invocation. */
  readonly onMaxAttempts?: "pause" | "kill";
  /** Wait after the first failure, never less than 10 ms. Default 100 ms. */
  readonly initialInterval?: Duration;
  /** Longest wait. Default 10 s. */
  readonly maxInterval?: Duration;
  /** By what each wait is longer than the one before. Default 2. */
  readonly exponentiationFactor?: number;
  /** Share of each wait by which it is made shorter or longer at random. 0 to 1. Default 0.2. */
  readonly jitter?: number;
}

/** Options of a service, for all its handlers; a handler's own come first. */
export interface ServiceOptions {
  /** How long the result of a call with an idempotency key is kept. Default 24 h. */
  readonly idempotencyRetention?: Duration;
  /** How long the journal and result of what ended are kept. Default 24 h. */
  readonly journalRetention?: Duration;
  /** How long a workflow that ended keeps its state, promises and result. Default 24 h. */
  readonly workflowRetention?: Duration;
  /** Idle time after which an attempt that only waits leaves memory. Default 1 min. */
  readonly inactivityTimeout?: Duration;
  /**
   * How long an attempt may await something that is not ctx's, with nothing else going on, before it
   * fails and is tried again: what it awaits may never come. Default 10 min.
   */
  readonly abortTimeout?: Duration;
  /** Not callable over HTTP, only by other handlers. Default false. */
  readonly ingressPrivate?: boolean;
  readonly retryPolicy?: RetryOptions;
  /** Send no state with the start of an attempt: each value is fetched when asked for. */
  readonly enableLazyState?: boolean;
  /** For state, runs, awakeables, promises, signals, input and output that name no other. */
  readonly serde?: Serde<unknown>;
  /** Says which other errors end the invocation as `TerminalError`; undefined: tried again. */
  readonly asTerminalError?: (error: unknown) => TerminalError | undefined;
}

/** Options of one handler. */
export interface HandlerOptions extends ServiceOptions {
  /** Content type that is taken. Default: that of the input's serde. "*\/*": any. */
  readonly accept?: string;
  readonly input?: Serde<never> | Serde<unknown>;
  readonly output?: Serde<never> | Serde<unknown>;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

function retryPolicyOf(options: RetryOptions | undefined, where: string): RetryPolicy | null {
  if (options === undefined) return null;
  const at = `retryPolicy of ${where}`;
  const { maxAttempts, onMaxAttempts, exponentiationFactor: factor, jitter } = options;
  if (maxAttempts !== undefined && !(Number.isInteger(maxAttempts) && maxAttempts >= 1)) {
    throw new RangeError(`maxAttempts in ${at} is a whole number from 1, got ${maxAttempts}`);
  }
  if (onMaxAttempts !== undefined && onMaxAttempts !== "pause" && onMaxAttempts !== "kill") {
    throw new RangeError(
      `onMaxAttempts in ${at} is "pause" or "kill", got ${JSON.stringify(onMaxAttempts)}`,
    );
  }
  if (factor !== undefined && !(Number.isFinite(factor) && factor >= 1)) {
    throw new RangeError(`exponentiationFactor in ${at} is a number from 1, got ${factor}`);
  }
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    throw new RangeError(
      `jitter in ${at} is the share of a wait by which it varies, from 0 to 1, got ${jitter}`,
    );
  }
  const fallback = DEFAULT_RETRY_POLICY;
  return {
    initialIntervalMs:
      msOr(options.initialInterval, `initialInterval in ${at}`) ?? fallback.initialIntervalMs,
    factor: factor ?? fallback.factor,
    maxIntervalMs: msOr(options.maxInterval, `maxInterval in ${at}`) ?? fallback.maxIntervalMs,
    maxAttempts: maxAttempts ?? null,
    maxDurationMs: msOr(options.maxDuration, `maxDuration in ${at}`) ?? fallback.maxDurationMs,
    jitter: jitter ?? fallback.jitter,
    onMaxAttempts: onMaxAttempts ?? fallback.onMaxAttempts,
  };
}

/** What a worker announces of a handler, apart from its name, mode and types. */
export function announced(
  options: HandlerOptions,
  where: string,
): Omit<
  HandlerManifest,
  "name" | "mode" | "inputContentType" | "inputRequired" | "outputContentType"
> {
  const ms = (
    option: "inactivityTimeout" | "idempotencyRetention" | "journalRetention" | "workflowRetention",
  ): number | null => msOr(options[option], `${option} of ${where}`);
  const { description = "", metadata = {} } = options;
  requireTexts({ description, metadata }, where);
  return {
    ingressPrivate: options.ingressPrivate ?? false,
    retry: retryPolicyOf(options.retryPolicy, where),
    inactivityTimeoutMs: ms("inactivityTimeout"),
    idempotencyRetentionMs: ms("idempotencyRetention"),
    journalRetentionMs: ms("journalRetention"),
    workflowRetentionMs: ms("workflowRetention"),
    lazyState: options.enableLazyState ?? false,
    description,
    metadata,
  };
}

/** For the worker alone: the runtime has no part in it. */
export function abortTimeoutMsOf(options: HandlerOptions, where: string): number | null {
  return msOr(options.abortTimeout, `abortTimeout of ${where}`);
}

/** The serdes of a handler, each the default of the next. */
export function serdesIn(
  options: HandlerOptions,
  where: string,
): {
  readonly serde: Serde<unknown>;
  readonly input: Serde<unknown>;
  readonly output: Serde<unknown>;
} {
  const own = options.serde ?? serde.json;
  const { input = own, output = own } = options;
  for (const [name, given] of Object.entries({ serde: own, input, output })) {
    if (typeof given?.serialize !== "function" || typeof given?.deserialize !== "function") {
      const hint = "~standard" in Object(given) ? ": wrap the schema, serde.schema(...)" : "";
      throw new TypeError(`${name} of ${where} is not a serde${hint}`);
    }
  }
  return { serde: own, input, output };
}

export function requireTexts(
  given: { readonly description: unknown; readonly metadata: object },
  where: string,
): void {
  if (typeof given.description !== "string") {
    throw new TypeError(`description of ${where} is a string, got ${typeof given.description}`);
  }
  for (const [name, value] of Object.entries(given.metadata)) {
    if (typeof value === "string") continue;
    throw new TypeError(`metadata of ${where} holds strings only, "${name}" is ${typeof value}`);
  }
}

function msOr(duration: Duration | undefined, what: string): number | null {
  return duration === undefined ? null : durationToMs(duration, what);
}
