/** How values become bytes and back. What the runtime stores and sends are the bytes. */
import { binary } from "./serde/binary.ts";
import { empty } from "./serde/empty.ts";
import { json, type JsonSerde } from "./serde/json.ts";
import { schema } from "./serde/schema.ts";
import type { InferOutput, StandardSchema } from "./serde/standard-schema.ts";

/**
 * Turns values into bytes and bytes into values, both at once and without waiting.
 *
 * User code always sees `deserialize(serialize(value))`, the first time as on a replay, so a serde
 * must give back what it was given, or throw.
 *
 * @example
 * const celsius: Serde<number> = {
 *   contentType: "text/plain",
 *   serialize: (value) => new TextEncoder().encode(`${value}`),
 *   deserialize: (bytes) => Number(new TextDecoder().decode(bytes)),
 * };
 */
export interface Serde<T> {
  /** Content type of the bytes, for HTTP callers. Default: none, anything is taken. */
  readonly contentType?: string;
  /** @throws any error when the value cannot be carried; say where in the value, and why */
  serialize(value: T): Uint8Array;
  /** `bytes` are its own: it may decode in place. */
  deserialize(bytes: Uint8Array): T;
}

/**
 * The serdes that come with Holdfast.
 *
 * - `serde.json`: the default. `undefined` is no bytes; what JSON cannot carry is refused with its path.
 * - `serde.binary`: a `Uint8Array` as it is.
 * - `serde.empty`: nothing; refuses bytes.
 * - `serde.schema(standardSchema)`: JSON checked by Zod, Valibot, ArkType or any other Standard Schema.
 */
export const serde: {
  readonly json: JsonSerde;
  readonly binary: Serde<Uint8Array>;
  readonly empty: Serde<void>;
  schema<S extends StandardSchema>(schema: S): Serde<InferOutput<S>>;
} = { json, binary, empty, schema };
