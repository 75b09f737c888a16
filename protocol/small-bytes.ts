/**
 * Memory for byte strings that come and go by the thousand: small ones side by side in one piece.
 *
 * Beyond 64 bytes V8 takes the memory of each Uint8Array from outside of its heap, and looks after it one by
 * one: 500 to 1,000 ns for a row, where a place in a shared piece takes 70. Below that it does when somebody
 * asks for the array's buffer, as a reader does (docs/performance.md).
 *
 * A byte string keeps its piece alive. Whoever keeps one for longer than a batch or an attempt copies it.
 */

const PIECE_BYTES = 4 * 1024;
/** What is larger has memory of its own. */
export const SMALL_BYTES_MAX: number = PIECE_BYTES / 4;

let piece = new ArrayBuffer(PIECE_BYTES);
let used = 0;

/** Zeros. */
export function newBytes(length: number): Uint8Array {
  if (length > SMALL_BYTES_MAX) return new Uint8Array(length);
  if (length > PIECE_BYTES - used) {
    piece = new ArrayBuffer(PIECE_BYTES);
    used = 0;
  }
  const bytes = new Uint8Array(piece, used, length);
  used += length;
  return bytes;
}
