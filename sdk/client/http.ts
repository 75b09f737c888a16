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

export async function request(options: HttpOptions, it: HttpRequest): Promise<IngressAnswer> {
  const policy = it.repeatable ? options.retry : undefined;
  const attemptsMax = policy === undefined ? 1 : (policy.maxAttempts ?? 6);
  const signal = signalOf(it);
  const giveUpAtMs = performance.now() + durationToMs(policy?.maxDuration ?? 60_000, "maxDuration");
  for (let attempt = 1; ; attempt++) {
    const outcome = await once(options, it, signal);
    if (outcome.kind === "answer") return outcome.answer;
    const waitMs = Math.max(delayMs(policy ?? {}, attempt), outcome.retryAfterMs);
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
  { ask, headers }: HttpOptions,
  it: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    const { method, path, body } = it;
    const merged =
      headers === undefined ? (it.headers ?? NO_HEADERS) : { ...headers, ...it.headers };
    const answer = await ask({
      method,
      path,
      headers: asCarried(merged),
      body,
      signal,
    });
    const { status } = answer;
    if ((status >= 200 && status <= 299) || status === 470) return { kind: "answer", answer };
    const error = new HttpCallError(status, new TextDecoder().decode(answer.body));
    const byInvocation = answer.headers["x-restate-error-source"] === "invocation";
    const retryable = !byInvocation && (status >= 500 || RETRIED_STATUSES.has(status));
    const retryAfterMs = 1_000 * Number(answer.headers["retry-after"] ?? 0) || 0;
    return { kind: "failed", error, retryable, retryAfterMs };
  } catch (error) {
    const retryable = signal?.aborted !== true;
    return { kind: "failed", error, retryable, retryAfterMs: 0 };
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

/** One for all tries: a time limit is for the call, however often it is tried. */
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
