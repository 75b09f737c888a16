import type { Serde } from "../serde.ts";

/** What a serde makes of a value: bytes, or the serde is to blame. From JavaScript it may be anything. */
export function encode<T>(serde: Serde<T>, value: T): Uint8Array {
  const bytes: unknown = serde.serialize(value);
  if (bytes instanceof Uint8Array) return bytes;
  throw new TypeError(
    `a serde gives a Uint8Array, this one gave ${bytes === null ? "null" : typeof bytes}: new TextEncoder().encode(...) makes one of a text`,
  );
}
