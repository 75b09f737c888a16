/** What a worker announces: its services, their handlers, and how each wants to be run. */

export type ServiceKind = "service" | "object" | "workflow";

/** For sentences: "an object". */
export function withArticle(kind: ServiceKind): string {
  return `${kind === "object" ? "an" : "a"} ${kind}`;
}

/**
 * - `exclusive`: one at a time per key (handlers of an object, `run` of a workflow)
 * - `shared`: beside it, reading state only
 * - `stateless`: a handler of a plain service
 */
export type HandlerMode = "exclusive" | "shared" | "stateless";

/** Retry policy of an invocation. Counted in failures: restarts and resumes do not count. */
export interface RetryPolicy {
  readonly initialIntervalMs: number;
  readonly factor: number;
  readonly maxIntervalMs: number;
  readonly maxAttempts: number | null;
  /** Time since the first of the failures in a row after which there is no further attempt. */
  readonly maxDurationMs: number | null;
  /** Share of each wait by which it is made shorter or longer, at random. 0 to 1. */
  readonly jitter: number;
  /** What happens when `maxAttempts` or `maxDurationMs` is reached. */
  readonly onMaxAttempts: "pause" | "kill";
}

export interface HandlerManifest {
  readonly name: string;
  readonly mode: HandlerMode;
  /** Content type the handler takes; "" takes anything. */
  readonly inputContentType: string;
  /** Whether an empty body without a content type is refused. */
  readonly inputRequired: boolean;
  readonly outputContentType: string;
  /** Not callable from outside: other handlers only. */
  readonly ingressPrivate: boolean;
  readonly retry: RetryPolicy | null;
  readonly inactivityTimeoutMs: number | null;
  readonly idempotencyRetentionMs: number | null;
  readonly journalRetentionMs: number | null;
  readonly workflowRetentionMs: number | null;
  /** Send no state with the start: fetch each value when asked. */
  readonly lazyState: boolean;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ServiceManifest {
  readonly name: string;
  readonly kind: ServiceKind;
  readonly handlers: readonly HandlerManifest[];
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly services: readonly ServiceManifest[];
}
