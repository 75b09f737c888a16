import type { Serde } from "../serde.ts";

/** Bytes as they are. Copied both ways: the buffer behind them may be reused or be much larger. */
export const binary: Serde<Uint8Array> = {
  contentType: "application/octet-stream",
  serialize(value: Uint8Array): Uint8Array {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(
        `serde.binary takes a Uint8Array, got ${value === null ? "null" : typeof value}: for other values use serde.json`,
      );
    }
    return new Uint8Array(value);
  },
  deserialize(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(bytes);
  },
};
