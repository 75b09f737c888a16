/**
 * Plain values as MessagePack, the part of it that every language has: the only file that knows the
 * library. Reading it is unpack.ts.
 *
 * 1. What the library would change in silence (half a surrogate pair, an undefined, a number that is
 *    not finite) is refused before: a row or a frame reads back as what was written.
 * 2. Equal values have equal bytes.
 * 3. The bytes are of exactly this value: the library's are views into memory that it shares
 *    between values, and whoever kept a small one would keep all of it.
 */
import { Packr, RESET_BUFFER_MODE } from "msgpackr/index-no-eval";
import { assert } from "./assert.ts";
import type { Plain } from "./fields.ts";

export { unpackValue } from "./unpack.ts";

const packr = new Packr({ useRecords: false, moreTypes: false });

/** The library never shrinks its memory: after a value beyond this, it gets new one (a Buffer, no less). */
const POOL_BYTES_MAX = 1024 * 1024;
const POOL_BYTES = 8 * 1024;

/**
 * The bytes of `value`.
 *
 * @throws AssertionError for what MessagePack cannot carry; whoever takes values from users checks them first.
 */
export function packValue(value: Plain): Uint8Array {
  check(value);
  const pooled = packr.pack(value, RESET_BUFFER_MODE);
  const bytes = new Uint8Array(pooled.length);
  bytes.set(pooled);
  if (pooled.buffer.byteLength > POOL_BYTES_MAX) packr.useBuffer(Buffer.alloc(POOL_BYTES));
  return bytes;
}

/** How many values `value` holds, itself included. Readers bound it: see PROTOCOL.md. */
export function countValues(value: Plain): number {
  if (!Array.isArray(value)) return 1;
  let count = 1;
  for (const item of value) count += countValues(item);
  return count;
}

function check(value: Plain): void {
  switch (typeof value) {
    case "string":
      // Node 20 has it, the types of ES2023 do not.
      assert(
        (value as string & { isWellFormed(): boolean }).isWellFormed(),
        `a text with half of a surrogate pair cannot be packed: ${JSON.stringify(value.slice(0, 64))}`,
      );
      return;
    case "number":
      assert(Number.isFinite(value), `the number ${value} cannot be packed`);
      return;
    case "boolean":
      return;
    case "object":
      if (Array.isArray(value)) value.forEach(check);
      else assert(value === null || value instanceof Uint8Array, "only plain values can be packed");
      return;
    default:
      assert(false, `a value of type ${typeof value} cannot be packed`);
  }
}
