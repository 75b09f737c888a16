/**
 * Requests of the client, over HTTP or within the process: one answer, or an error that says which.
 *
 * Retries are asked for, and only where a second request cannot do harm: with an idempotency key, or
 * where the path itself names the invocation. An answer of the invocation itself is never retried.
 */
import type { AskIngress, IngressAnswer } from "../../protocol/in-process.ts";
import { type Duration, durationToMs } from "../duration.ts";
import { asCarried } from "./header-values.ts";

/** The runtime or the invocation answered with an error status. */
export class HttpCallError extends Error {
  override readonly name = "HttpCallError";
  readonly status: number;
  readonly responseText: string;

  constructor(status: number, responseText: string) {
    super(`Request failed: ${status}\n${responseText}`);
    this.status = status;
    this.responseText = responseText;
  }
}

export interface RetryPolicy {
  /** Requests in all. Default 6. */
  readonly maxAttempts?: number;
  /** Wait after the first failure. Default 250 ms. */
  readonly initialInterval?: Duration;
  /** Longest wait. Default 3 s. */
  readonly maxInterval?: Duration;
  /** Time after which no further request is made. Default 1 min. */
  readonly maxDuration?: Duration;
}

export interface HttpOptions {
  readonly ask: AskIngress;
  /** Sent with every request; undefined for none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly retry: RetryPolicy | undefined;
}

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A second request for this means the same as one. */
  readonly repeatable: boolean;
}

const RETRIED_STATUSES = new Set([408, 425, 429]);

/** What `read` makes of the answer. */
export function request<T>(
  options: HttpOptions,
  it: HttpRequest,
  read: (answer: IngressAnswer) => T,
): Promise<T> {
  const policy = it.repeatable ? options.retry : undefined;
  const signal = signalOf(it);
  if (policy !== undefined) return repeated(options, it, { policy, signal }).then(read);
  // Nearly all are asked once: one promise, and no function that waits.
  return asked(options, it, signal).then((answer) => read(requireSuccess(answer)));
}

interface Repeating {
  readonly policy: RetryPolicy;
  /** One for all tries: a time limit is for the call, however often it is tried. */
  readonly signal: AbortSignal | undefined;
}

async function repeated(
  options: HttpOptions,
  it: HttpRequest,
  { policy, signal }: Repeating,
): Promise<IngressAnswer> {
  const attemptsMax = policy.maxAttempts ?? 6;
  const giveUpAtMs = performance.now() + durationToMs(policy.maxDuration ?? 60_000, "maxDuration");
  for (let attempt = 1; ; attempt++) {
    const outcome = await once(options, it, signal);
    if (outcome.kind === "answer") return outcome.answer;
    const waitMs = Math.max(delayMs(policy, attempt), outcome.retryAfterMs);
    const last = attempt >= attemptsMax || performance.now() + waitMs > giveUpAtMs;
    if (!outcome.retryable || last) throw outcome.error;
    await pause(waitMs, signal);
    signal?.throwIfAborted();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: IngressAnswer }
  | {
      readonly kind: "failed";
      readonly error: unknown;
      readonly retryable: boolean;
      readonly retryAfterMs: number;
    };

async function once(
  options: HttpOptions,
  it: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    const answer = await asked(options, it, signal);
    if (isSuccess(answer)) return { kind: "answer", answer };
    const { status } = answer;
    const byInvocation = answer.headers["x-restate-error-source"] === "invocation";
    const retryable = !byInvocation && (status >= 500 || RETRIED_STATUSES.has(status));
    const retryAfterMs = 1_000 * Number(answer.headers["retry-after"] ?? 0) || 0;
    return { kind: "failed", error: callError(answer), retryable, retryAfterMs };
  } catch (error) {
    const retryable = signal?.aborted !== true;
    return { kind: "failed", error, retryable, retryAfterMs: 0 };
  }
}

function asked(
  { ask, headers }: HttpOptions,
  { method, path, body, headers: own = NO_HEADERS }: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<IngressAnswer> {
  const merged = headers === undefined ? own : { ...headers, ...own };
  return ask({ method, path, headers: asCarried(merged), body, signal });
}

function isSuccess({ status }: IngressAnswer): boolean {
  return (status >= 200 && status <= 299) || status === 470;
}

function requireSuccess(answer: IngressAnswer): IngressAnswer {
  if (isSuccess(answer)) return answer;
  throw callError(answer);
}

function callError({ status, body }: IngressAnswer): HttpCallError {
  return new HttpCallError(status, new TextDecoder().decode(body));
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

function signalOf({ signal, timeoutMs }: HttpRequest): AbortSignal | undefined {
  if (timeoutMs === undefined) return signal;
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

/** Doubling, spread by a fifth. */
function delayMs(policy: RetryPolicy, attempt: number): number {
  const initialMs = durationToMs(policy.initialInterval ?? 250, "initialInterval");
  const maxMs = durationToMs(policy.maxInterval ?? 3_000, "maxInterval");
  return Math.min(initialMs * 2 ** (attempt - 1), maxMs) * (0.8 + 0.4 * Math.random());
}
