/** What the load generator is asked for, and what it answers. */

export interface LoadSpec {
  readonly port: number;
  /** Requests in flight: each connection sends its next one when it has its answer. */
  readonly concurrency: number;
  /** `{key}` is replaced by a key. */
  readonly path: string;
  /** How many keys there are. */
  readonly keys: number;
  readonly order: "random" | "sequence";
  /** Number of the first key in a sequence. */
  readonly firstKey?: number;
  /** `{key}` as in the path. */
  readonly body: string;
  /** Ends at whichever comes first; what is in flight then is still awaited. */
  readonly durationMs?: number;
  readonly requests?: number;
  /** Adds up the numbers in the answers. */
  readonly sumAnswers?: boolean;
  /** Counts the distinct invocation ids in the answers. */
  readonly countIds?: boolean;
  /** Connections may break: what was not answered counts as lost, and no new request is sent. */
  readonly untilBroken?: boolean;
}

export interface LoadResult {
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly cpuUs: number;
  readonly sum: number;
  readonly distinctIds: number;
  /** By number of key; only with `untilBroken`. */
  readonly acknowledgedByKey: readonly number[];
  readonly lostByKey: readonly number[];
}

export interface LoadRequest {
  readonly kind: "load";
  readonly spec: LoadSpec;
}

export type LoadAnswer =
  | { readonly kind: "loaded"; readonly result: LoadResult }
  | { readonly kind: "load failed"; readonly reason: string };

export function isLoadAnswer(message: unknown): message is LoadAnswer {
  const kind = (message as { readonly kind?: unknown } | null)?.kind;
  return kind === "loaded" || kind === "load failed";
}

export function keyName(number: number): string {
  return `k${number}`;
}
