/**
 * How a client asks a runtime in its own process: what HTTP would carry, as values. The same routes
 * serve it, so limits, refusals and answers are those of the ingress.
 */

export interface IngressRequest {
  readonly method: "GET" | "POST";
  /** With the query; its parts are percent-encoded. */
  readonly path: string;
  /** Names in lower case, values as they stand in HTTP. */
  readonly headers: Readonly<Record<string, string>>;
  /** Copied: the caller may go on with the bytes. */
  readonly body: Uint8Array | undefined;
  /** The caller gives up: the promise rejects with its reason. What was accepted goes on. */
  readonly signal: AbortSignal | undefined;
}

export interface IngressAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Resolves, like an answer over HTTP, once what it depends on is durable. */
export type AskIngress = (request: IngressRequest) => Promise<IngressAnswer>;
