/** Up to here a loop is quicker than a decoder. */
const SHORT_BYTES = 32;

/** The text of a few bytes that are all ASCII; undefined for all others, whatever they are. */
export function shortAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > SHORT_BYTES) return undefined;
  const units: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte > 0x7f) return undefined;
    units.push(byte);
  }
  return String.fromCharCode(...units);
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
