/** Text from outside: decoded once, and refused when it is not what storage and people can agree on. */

/**
 * Percent-decodes exactly once. `undefined` when the encoding is broken, when the bytes are not
 * UTF-8 (encoded surrogates included), or when the text holds a NUL. Nothing is normalised.
 */
export function decodePercent(text: string): string | undefined {
  if (!text.includes("%")) return isCleanText(text) ? text : undefined;
  try {
    const decoded = decodeURIComponent(text);
    return isCleanText(decoded) ? decoded : undefined;
  } catch {
    // URIError is all that it throws, and it says no more than this.
    return undefined;
  }
}

/** Neither NUL nor half of a surrogate pair. */
export function isCleanText(text: string): boolean {
  // Node 20 has it, the types of ES2023 do not.
  return !text.includes("\0") && (text as string & { isWellFormed(): boolean }).isWellFormed();
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** `undefined` when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // TypeError is all that a fatal decoder throws.
    return undefined;
  }
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text, "utf8");
}
