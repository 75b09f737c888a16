/**
 * CRC-32 (as of zlib) of a few bytes, without a call out of JavaScript: rows are mostly so short that
 * the call and the view that it needs cost several times what the bytes do (docs/performance.md).
 */
import { crc32 } from "node:zlib";

/** Beyond this the call is quicker. */
const SHORT_BYTES = 256;
const POLYNOMIAL = 0xedb88320;

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** Of `bytes` from `from` to `to`; goes on from `before`, the checksum of what stands in front. */
export function checksum(bytes: Uint8Array, from: number, to: number, before = 0): number {
  if (to - from > SHORT_BYTES) return crc32(bytes.subarray(from, to), before);
  let value = ~before;
  for (let at = from; at < to; at++) {
    value = (TABLE[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return ~value >>> 0;
}

/** The same of a binary string. */
export function checksumOfText(text: string): number {
  let value = -1;
  for (let at = 0; at < text.length; at++) {
    value = (TABLE[(value ^ text.charCodeAt(at)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return ~value >>> 0;
}
