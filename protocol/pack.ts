/**
 * Plain values as MessagePack, the part of it that every language has. Writing it is packer.ts,
 * reading it is unpack.ts.
 *
 * 1. What would be changed in silence (half a surrogate pair, an undefined, a number that is not
 *    finite) is refused before: a row or a frame reads back as what was written.
 * 2. Equal values have equal bytes.
 * 3. Small ones share their memory with others that were packed about then (small-bytes.ts): whoever keeps
 *    them for long copies them.
 */
import type { Plain } from "./fields.ts";
import { Packer } from "./packer.ts";

export { unpackValue } from "./unpack.ts";

const packer = new Packer();

/**
 * The bytes of `value`.
 *
 * @throws AssertionError for what MessagePack cannot carry; whoever takes values from users checks them first.
 */
export function packValue(value: Plain): Uint8Array {
  packer.reset();
  packer.add(value);
  return packer.copy(0, packer.length);
}

/** The items of an array one after the other, without its head: for `addPacked` of a packer. */
export function packItems(items: readonly Plain[]): Uint8Array {
  packer.reset();
  for (const item of items) packer.add(item);
  return packer.copy(0, packer.length);
}
