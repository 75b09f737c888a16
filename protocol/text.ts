/** Up to here a loop is quicker than a decoder. */
const SHORT_BYTES = 32;

/** The text of a few bytes that are all ASCII; undefined for all others, whatever they are. */
export function shortAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > SHORT_BYTES) return undefined;
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] ?? 0) > 0x7f) return undefined;
  // Not by a spread, which makes an object for each byte.
  return String.fromCharCode.apply(null, bytes as unknown as number[]); // anything with a length will do
}

/** The other way round. */
export function shortAsciiBytes(text: string): Uint8Array | undefined {
  const { length } = text;
  if (length > SHORT_BYTES) return undefined;
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) return undefined;
    bytes[at] = unit;
  }
  return bytes;
}

/**
 * The start of `text`, at most `lengthMax` UTF-16 units of it. Never ends in half of a surrogate
 * pair, which UTF-8 cannot carry and `packValue` refuses.
 */
export function cutText(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  const last = text.charCodeAt(lengthMax - 1);
  const isHalf = last >= 0xd800 && last < 0xdc00;
  return text.slice(0, isHalf ? lengthMax - 1 : lengthMax);
}
