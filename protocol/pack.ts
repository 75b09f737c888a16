/**
 * MessagePack, the part of it that every language has: the only file that knows the library.
 * Extension types and maps decode to objects, which `Fields` refuses wherever they stand.
 */
import { Packr } from "msgpackr/index-no-eval";
import { ProtocolError, type Plain } from "./fields.ts";

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false });

export function packValue(value: Plain): Uint8Array {
  return packr.pack(value);
}

/** Bytes of a peer or of a row. Binary values are views into `bytes`, which must not change. */
export function unpackValue(bytes: Uint8Array): Plain {
  try {
    return packr.unpack(bytes) as Plain; // checked field by field by whoever reads it
  } catch (error) {
    throw new ProtocolError(`not MessagePack: ${error instanceof Error ? error.message : "?"}`);
  }
}
