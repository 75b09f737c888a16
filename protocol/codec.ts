/**
 * Frames: what one WebSocket message holds.
 *
 *     [partition, message, message, ...]        each message an array [type, field, ...]
 *     [partition, last, bytes]                  a piece of one message that is too large for a frame
 *
 * 1. No frame is larger than `frameBytesMax`; a larger message travels in pieces, one after the other,
 *    nothing between them.
 * 2. A decoder gives whole messages in the order in which they were sent, or throws ProtocolError;
 *    after that it is not used again, and the connection is closed.
 */
import { assert } from "./assert.ts";
import { runtimeMessageFromPlain, workerMessageFromPlain } from "./decode-message.ts";
import { messageToPlain } from "./encode-message.ts";
import { Fields, ProtocolError, type Plain } from "./fields.ts";
import type { RuntimeMessage, WorkerMessage } from "./message.ts";
import { packValue, unpackValue } from "./pack.ts";

/** Array header and partition, at the most. */
const FRAME_HEAD_BYTES = 8;
/** Head, flag and binary header of a piece, at the most. */
const PIECE_HEAD_BYTES = 16;
const MESSAGES_PER_FRAME_MAX = 65_535;

/** Packs messages into as few frames as the limit allows, in order. */
export function encodeFrames(
  partition: number,
  messages: readonly (RuntimeMessage | WorkerMessage)[],
  frameBytesMax: number,
): Uint8Array[] {
  assert(frameBytesMax >= 1_024, `a frame limit of ${frameBytesMax} bytes is too small`);
  const frames: Uint8Array[] = [];
  let open: Uint8Array[] = [];
  let openBytes = FRAME_HEAD_BYTES;
  const close = (): void => {
    if (open.length > 0) frames.push(joinFrame(partition, open, openBytes));
    open = [];
    openBytes = FRAME_HEAD_BYTES;
  };
  for (const message of messages) {
    const packed = packValue(messageToPlain(message));
    if (packed.length + FRAME_HEAD_BYTES > frameBytesMax) {
      close();
      frames.push(...pieces(partition, packed, frameBytesMax));
      continue;
    }
    if (openBytes + packed.length > frameBytesMax || open.length === MESSAGES_PER_FRAME_MAX - 1) {
      close();
    }
    open.push(packed);
    openBytes += packed.length;
  }
  close();
  return frames;
}

function joinFrame(partition: number, messages: readonly Uint8Array[], bytes: number): Uint8Array {
  const count = messages.length + 1;
  const frame = new Uint8Array(bytes);
  const view = new DataView(frame.buffer);
  let at = 0;
  if (count < 16) frame[at++] = 0x90 | count;
  else {
    frame[at++] = 0xdc;
    view.setUint16(at, count);
    at += 2;
  }
  if (partition < 128) frame[at++] = partition;
  else {
    frame[at++] = 0xce;
    view.setUint32(at, partition);
    at += 4;
  }
  for (const message of messages) {
    frame.set(message, at);
    at += message.length;
  }
  return frame.subarray(0, at);
}

function pieces(partition: number, packed: Uint8Array, frameBytesMax: number): Uint8Array[] {
  const size = frameBytesMax - PIECE_HEAD_BYTES;
  const frames: Uint8Array[] = [];
  for (let at = 0; at < packed.length; at += size) {
    const last = at + size >= packed.length;
    frames.push(packValue([partition, last, packed.subarray(at, at + size)]));
  }
  return frames;
}

export interface DecodedFrame<In> {
  readonly partition: number;
  readonly messages: readonly In[];
}

export interface FrameDecoderOptions<In> {
  readonly read: (plain: Plain) => In;
  readonly frameBytesMax: number;
  /** A message that came in pieces. */
  readonly messageBytesMax: number;
}

/** One per connection and direction: remembers the pieces of an unfinished message. */
export class FrameDecoder<In> {
  readonly #options: FrameDecoderOptions<In>;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  constructor(options: FrameDecoderOptions<In>) {
    this.#options = options;
  }

  /** `frame` must not change afterwards: binary values are views into it. */
  decode(frame: Uint8Array): DecodedFrame<In> {
    const { frameBytesMax, read } = this.#options;
    if (frame.length > frameBytesMax) {
      const message = `a frame of ${frame.length} bytes, the limit is ${frameBytesMax}`;
      throw new ProtocolError(message, { tooLarge: true });
    }
    const plain = unpackValue(frame);
    if (!Array.isArray(plain) || plain.length < 2) {
      throw new ProtocolError("a frame is an array of a partition and messages");
    }
    const partition = new Fields(plain.slice(0, 1), "a frame").u32();
    if (typeof plain[1] === "boolean") return { partition, messages: this.#piece(plain) };
    if (this.#pieces.length > 0) {
      throw new ProtocolError("a message in pieces was interrupted by another one");
    }
    return { partition, messages: plain.slice(1).map(read) };
  }

  #piece(plain: Plain): In[] {
    const fields = new Fields(plain, "a piece");
    fields.u32();
    const last = fields.boolean();
    const bytes = fields.bytes();
    fields.end();
    if (bytes.length === 0) throw new ProtocolError("a piece of no bytes");
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    const { messageBytesMax, read } = this.#options;
    if (this.#pieceBytes > messageBytesMax) {
      const message = `a message of more than ${messageBytesMax} bytes`;
      throw new ProtocolError(message, { tooLarge: true });
    }
    if (!last) return [];
    const whole = new Uint8Array(this.#pieceBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#pieceBytes = 0;
    return [read(unpackValue(whole))];
  }
}

export interface DecoderLimits {
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
}

/** For what a runtime receives. */
export function workerMessageDecoder(limits: DecoderLimits): FrameDecoder<WorkerMessage> {
  return new FrameDecoder({ ...limits, read: workerMessageFromPlain });
}

/** For what a worker receives. */
export function runtimeMessageDecoder(limits: DecoderLimits): FrameDecoder<RuntimeMessage> {
  return new FrameDecoder({ ...limits, read: runtimeMessageFromPlain });
}
