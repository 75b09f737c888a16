/** What an HTTP request is answered with, as a value: routes return it, `listen.ts` writes it. */

export interface Answer {
  readonly status: number;
  /** Names in lower case. `content-length` is added when the answer is written. */
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for no body. */
  readonly body: Uint8Array;
  /** The request's body is too large to read to its end: close the connection after this. */
  readonly closes?: true;
}

export const NO_BODY: Uint8Array = new Uint8Array(0);
const encoder = new TextEncoder();

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: Object.assign({ "content-type": "application/json" }, headers),
    body: encoder.encode(JSON.stringify(body)),
  };
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: NO_BODY };
}

/**
 * A request that cannot be served, thrown where that is noticed. Each API renders it in its own
 * error body. The message is shown to the caller: it says what is wrong and what to do.
 */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly closes: boolean;

  constructor(
    status: number,
    message: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly closes?: boolean } = {},
  ) {
    super(message);
    this.status = status;
    this.headers = more.headers ?? {};
    this.closes = more.closes ?? false;
  }
}
