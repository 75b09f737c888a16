/**
 * JSON that never changes a value silently: `deserialize(serialize(x))` equals `x`, or `serialize`
 * throws and names the path. What is refused, and why, is in check-json.ts.
 */
import { shortAscii, shortAsciiBytes } from "../../protocol/text.ts";
import { checkJson } from "./check-json.ts";
import { writeJson } from "./write-json.ts";

const encoder = new TextEncoder();
// `ignoreBOM` false: a byte order mark that some editors write before JSON is dropped.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
/**
 * Stands wherever a `Serde<T>` is wanted, whatever T is: what type the JSON has is the caller's word.
 * A schema checks it.
 */
export interface JsonSerde {
  readonly contentType: string;
  serialize(value: unknown): Uint8Array;
  deserialize<T = unknown>(bytes: Uint8Array): T;
}

export const json: JsonSerde = {
  contentType: "application/json",

  serialize(value: unknown): Uint8Array {
    if (value === undefined) return new Uint8Array(0);
    const { hasNegativeZero } = checkJson(value);
    // The platform's writer turns -0 into 0 but is several times faster: ours is for that case only.
    const text = hasNegativeZero ? writeJson(value) : JSON.stringify(value);
    return shortAsciiBytes(text) ?? encoder.encode(text);
  },

  deserialize<T = unknown>(bytes: Uint8Array): T {
    if (bytes.length === 0) return undefined as T; // the caller's word, as JsonSerde says
    let text = shortAscii(bytes);
    try {
      text ??= decoder.decode(bytes);
    } catch {
      throw new TypeError("the bytes are not UTF-8, so they are not JSON");
    }
    return JSON.parse(text) as T; // the caller's word, as JsonSerde says
  },
};
