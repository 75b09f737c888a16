/** What the embedded process is asked for, and what it answers. */

export interface EmbeddedLoad {
  readonly kind: "drive";
  readonly concurrency: number;
  readonly keys: number;
  /** Ends at whichever is given. */
  readonly durationMs?: number;
  readonly requests?: number;
}

export interface EmbeddedLoadAnswer {
  readonly kind: "driven";
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function isEmbeddedLoadAnswer(message: unknown): message is EmbeddedLoadAnswer {
  return (message as { readonly kind?: unknown } | null)?.kind === "driven";
}
