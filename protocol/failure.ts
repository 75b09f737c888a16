/**
 * A failure as it is journaled and as it crosses the wire: name, message, code and metadata.
 * Never a stack: a stack differs from run to run, and would make replay differ from the first run.
 */
export interface Failure {
  /** Class of the error for people and for the SDK: "TerminalError", "CancelledError", ... */
  readonly name: string;
  readonly message: string;
  /** HTTP status code that an ingress caller sees. */
  readonly code: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The codes that Holdfast itself produces, all in one place. */
export const FailureCode = {
  badRequest: 400,
  notFound: 404,
  timeout: 408,
  conflict: 409,
  payloadTooLarge: 413,
  unprocessable: 422,
  tooMany: 429,
  notReady: 470,
  internal: 500,
  unavailable: 503,
  /** The code does not match its journal. */
  journalMismatch: 570,
} as const;

/** Whether a failure can have this code: an HTTP status of an error. */
export function isFailureCode(code: unknown): code is number {
  return typeof code === "number" && Number.isInteger(code) && code >= 400 && code <= 599;
}

/** What a cancelled invocation's caller sees. */
export const CANCELLED: Failure = {
  name: "CancelledError",
  message: "Cancelled",
  code: FailureCode.conflict,
};

/** What a killed invocation's caller sees. */
export const KILLED: Failure = {
  name: "TerminalError",
  message: "killed",
  code: FailureCode.conflict,
};
