/** Sizes that both sides count on. What a runtime may set for itself is in its `welcome`. */

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Until the `welcome` no frame is larger, in either direction; a larger `hello` travels in pieces.
 * No runtime sets its frame limit lower.
 */
export const FIRST_FRAME_BYTES_MAX: number = 64 * KIB;

/** No runtime sets its frame limit higher. */
export const FRAME_BYTES_CEILING: number = 16 * MIB;

/** A manifest, as JSON text. */
export const MANIFEST_LENGTH_MAX: number = MIB;

/** Every piece of a message but its last: so a message comes in a bounded number of pieces. */
export const PIECE_BYTES_MIN: number = KIB;

/** The name of a state value, of a promise or of a signal, in UTF-8. */
export const NAME_BYTES_MAX: number = 512;

/** The version of a deployment, in characters. */
export const VERSION_LENGTH_MAX = 128;

/** Headers of a call or send, and members of a failure's metadata. */
export const HEADERS_MAX = 1_000;
export const METADATA_MAX = 1_000;

/**
 * All texts of a command beside its payload, or the metadata of a failure, in UTF-8: an SDK refuses more,
 * so that every message has the room that `messageBytesMax` leaves.
 */
export const TEXT_BYTES_MAX: number = 256 * KIB;

/** Values in one frame, or in one message that came in pieces; arrays and their items alike. */
export const WORKER_FRAME_VALUES_MAX: number = 64 * KIB;
export const RUNTIME_FRAME_VALUES_MAX: number = MIB;

/** The largest message: one payload, and room for everything beside it. */
export function messageBytesMax(payloadBytesMax: number): number {
  return payloadBytesMax + MIB;
}
