import type { Serde } from "../serde.ts";

/** No value at all. */
export const empty: Serde<void> = {
  serialize(value: void): Uint8Array {
    if (value !== undefined) {
      throw new TypeError(
        `serde.empty takes no value, got ${value === null ? "null" : typeof value}`,
      );
    }
    return new Uint8Array(0);
  },
  deserialize(bytes: Uint8Array): void {
    if (bytes.length > 0) {
      throw new TypeError(`serde.empty expects no bytes, got ${bytes.length}`);
    }
  },
};
