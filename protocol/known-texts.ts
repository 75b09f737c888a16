/**
 * Short texts that come again and again: names, keys, content types. A table of those seen last gives the
 * same string for the same bytes, which is neither made nor hashed again (docs/performance.md).
 *
 * Bounded whatever a peer sends: one text a place, and the newest has it.
 */

/** Up to here a look is quicker than the decoder. */
export const KNOWN_TEXT_BYTES_MAX = 24;
const PLACES = 2_048;

const texts: string[] = Array.from({ length: PLACES }, () => "");

/** The text that these bytes are, at most `KNOWN_TEXT_BYTES_MAX` of them; undefined if they are not ASCII. */
export function knownText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let hash = end - start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return undefined;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const place = (hash ^ (hash >>> 11)) & (PLACES - 1);
  const known = texts[place] ?? "";
  if (isText(known, bytes, start, end)) return known;
  const text = String.fromCharCode(...bytes.subarray(start, end));
  texts[place] = text;
  return text;
}

function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) !== bytes[start + at]) return false;
  }
  return true;
}
