/**
 * Text that crosses the wire is UTF-8, which cannot carry half a surrogate pair: it would arrive as
 * U+FFFD, and two different keys could become one.
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Node 20 has it, the types of ES2023 do not. */
function isWellFormed(text: string): boolean {
  // From JavaScript anything may come; what is no text is somebody else's to refuse.
  if (typeof text !== "string") return true;
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/** Refuses what is no text. `what` names it in the error. */
export function requireString(text: unknown, what: string): void {
  if (typeof text === "string") return;
  throw new TypeError(`${what} must be a string, got ${text === null ? "null" : typeof text}`);
}

/** Refuses a name or key that UTF-8 would change. `what` names it in the error. */
export function requireWellFormed(text: string, what: string): void {
  if (!isWellFormed(text)) {
    throw new TypeError(
      `${what} holds half of a surrogate pair (a character that was cut in two), which UTF-8 cannot carry: ${JSON.stringify(text)}`,
    );
  }
}

/**
 * The same for every text in `value`, however deep; binary is left alone. The error names the place:
 * `headers[0][1]`.
 */
export function requireWellFormedTexts(value: unknown, where: string): void {
  if (typeof value === "string") requireWellFormed(value, where);
  else if (Array.isArray(value)) {
    value.forEach((item, index) => requireWellFormedTexts(item, `${where}[${index}]`));
  } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const key of Object.keys(value)) {
      const member: unknown = value[key as keyof typeof value];
      // The places are put together only for what needs them.
      if (typeof member === "string" && isWellFormed(key) && isWellFormed(member)) continue;
      requireWellFormed(key, `a name in ${where}`);
      if (typeof member !== "number") requireWellFormedTexts(member, `${where}.${key}`);
    }
  }
}

/** For text that only people read: half a surrogate pair becomes U+FFFD, as it would on the wire. */
export function toWellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text;
}
