import type { Serde } from "../serde.ts";
import { binary } from "./binary.ts";
import { empty } from "./empty.ts";
import { json } from "./json.ts";

/** Of these it is known that the bytes are nobody else's, and that they leave them as they are. */
const OURS: ReadonlySet<unknown> = new Set([json, binary, empty]);

/**
 * What a serde makes of a value: bytes, or the serde is to blame. From JavaScript it may be anything. They are copied:
 * some serdes make the next value in the same place.
 */
export function encode<T>(serde: Serde<T>, value: T): Uint8Array {
  const bytes: unknown = serde.serialize(value);
  if (bytes instanceof Uint8Array) return OURS.has(serde) ? bytes : new Uint8Array(bytes);
  throw new TypeError(
    `a serde gives a Uint8Array, this one gave ${bytes === null ? "null" : typeof bytes}: new TextEncoder().encode(...) makes one of a text`,
  );
}

/**
 * What a serde makes of bytes. Any but ours gets a copy: in the process of the runtime they are what it is about
 * to store, side by side with those of others, and some serdes decode in place, or give the buffer away.
 */
export function decode<T>(serde: Serde<T>, bytes: Uint8Array): T {
  return serde.deserialize(OURS.has(serde) ? bytes : new Uint8Array(bytes));
}
