/**
 * Text that crosses the wire is UTF-8, which cannot carry half a surrogate pair: it would arrive as
 * U+FFFD, and two different keys could become one.
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Refuses a name or key that UTF-8 would change. `what` names it in the error. */
export function requireWellFormed(text: string, what: string): void {
  if (LONE_SURROGATE.test(text)) {
    throw new TypeError(
      `${what} holds half of a surrogate pair (a character that was cut in two), which UTF-8 cannot carry: ${JSON.stringify(text)}`,
    );
  }
}

/** For text that only people read: half a surrogate pair becomes U+FFFD, as it would on the wire. */
export function toWellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text;
}
