/**
 * Frames: what one WebSocket message holds.
 *
 *     [partition, message, message, ...]        each message an array [type, field, ...]
 *     [partition, last, bytes]                  a piece of one message that is too large for a frame
 *
 * 1. No frame is larger than `frameBytesMax`; a larger message travels in pieces, one after the
 *    other, nothing between them.
 * 2. A decoder gives whole messages in the order in which they were sent, or throws ProtocolError;
 *    from then on it throws the same for whatever comes, keeps nothing, and the connection is closed.
 * 3. What a decoder allocates is bounded by its limits and by the bytes that have come.
 */
import { assert } from "./assert.ts";
import { runtimeMessageFromPlain, workerMessageFromPlain } from "./decode-message.ts";
import { Fields, ProtocolError, type Plain } from "./fields.ts";
import type { Replay, RuntimeMessage, WorkerMessage } from "./message.ts";
import { packMessage } from "./pack-messages.ts";
import { packValue, unpackValue } from "./pack.ts";
import { PackedReplay } from "./packed-replay.ts";
import { Packer } from "./packer.ts";
import {
  PIECE_BYTES_MIN,
  RUNTIME_FRAME_VALUES_MAX,
  WORKER_FRAME_VALUES_MAX,
} from "./wire-limits.ts";

type Message = RuntimeMessage | WorkerMessage;

/** Array header and partition, at the most. */
const FRAME_HEAD_BYTES = 8;
/** Head, flag and binary header of a piece, at the most. */
const PIECE_HEAD_BYTES = 16;
/** Below it pieces would be smaller than they may be. */
const FRAME_BYTES_FLOOR = 2 * PIECE_BYTES_MIN;
/** The array of a frame: the partition and this many messages keep within its own header. */
const MESSAGES_PER_FRAME_MAX = 65_534;

/**
 * Packs messages into as few frames as the limit allows, in order.
 *
 * @example for (const frame of encodeFrames(0, messages, 1024 * 1024)) socket.send(frame);
 */
export function encodeFrames(
  partition: number,
  messages: readonly Message[],
  frameBytesMax: number,
): Uint8Array[] {
  assert(frameBytesMax >= FRAME_BYTES_FLOOR, `a frame limit of ${frameBytesMax} bytes is too low`);
  const writer = new FrameWriter(partition, frameBytesMax);
  for (const message of messages) writer.add(message);
  return writer.finish();
}

/** Messages of the frames that are being made: one at a time, nothing of it outlives the call. */
const packer = new Packer();

class FrameWriter {
  readonly #partition: number;
  readonly #frameBytesMax: number;
  readonly #frames: Uint8Array[] = [];
  /** Where the messages of the open frame begin in the packer, and how many there are. */
  #start = 0;
  #messages = 0;
  #valuesBefore = 0;

  constructor(partition: number, frameBytesMax: number) {
    this.#partition = partition;
    this.#frameBytesMax = frameBytesMax;
    packer.reset();
  }

  add(message: Message): void {
    const at = packer.length;
    const valuesAt = packer.values;
    if (message instanceof PackedReplay) message.packInto(packer);
    else packMessage(packer, message);
    if (packer.length - at + FRAME_HEAD_BYTES > this.#frameBytesMax) {
      this.#closeAt(at, valuesAt);
      this.#addLarge(message, at);
      this.#openAtEnd();
      return;
    }
    if (
      FRAME_HEAD_BYTES + packer.length - this.#start > this.#frameBytesMax ||
      2 + packer.values - this.#valuesBefore > WORKER_FRAME_VALUES_MAX ||
      this.#messages === MESSAGES_PER_FRAME_MAX ||
      // A worker learns from the welcome what it must take: nothing larger may stand beside it.
      message.kind === "welcome"
    ) {
      this.#closeAt(at, valuesAt);
    }
    this.#messages++;
    if (message.kind === "welcome") this.#closeAt(packer.length, packer.values);
  }

  finish(): Uint8Array[] {
    this.#closeAt(packer.length, packer.values);
    return this.#frames;
  }

  /** One that is packed at `at`, and larger than a frame. */
  #addLarge(message: Message, at: number): void {
    if (message.kind === "replay" && message.entries.length > 1) {
      this.#openAtEnd();
      for (const half of halves(message)) this.add(half);
      this.#closeAt(packer.length, packer.values);
      return;
    }
    const packed = packer.copy(at, packer.length);
    this.#frames.push(...pieces(this.#partition, packed, this.#frameBytesMax));
  }

  #openAtEnd(): void {
    this.#start = packer.length;
    this.#valuesBefore = packer.values;
  }

  /** Makes a frame of the messages before `at`; those from there on are the next frame's. */
  #closeAt(at: number, values: number): void {
    if (this.#messages > 0) {
      this.#frames.push(frameOf(this.#partition, this.#messages, this.#start, at));
    }
    this.#messages = 0;
    this.#start = at;
    this.#valuesBefore = values;
  }
}

/** A replay may come in any number of messages: so that no message is larger than its largest entry. */
function halves({ kind, attempt, entries }: Replay): [Replay, Replay] {
  const middle = entries.length >> 1;
  return [
    { kind, attempt, entries: entries.slice(0, middle) },
    { kind, attempt, entries: entries.slice(middle) },
  ];
}

/** The frame of so many messages, which stand side by side in the packer. */
function frameOf(partition: number, messages: number, from: number, to: number): Uint8Array {
  const head = frameHead(partition, messages + 1);
  const frame = new Uint8Array(head.length + to - from);
  frame.set(head);
  packer.copyTo(frame, head.length, from, to);
  return frame;
}

function frameHead(partition: number, count: number): number[] {
  const array = count < 16 ? [0x90 | count] : [0xdc, count >>> 8, count & 0xff];
  if (partition < 128) return [...array, partition];
  const bytes = [24, 16, 8, 0].map((shift) => (partition >>> shift) & 0xff);
  return [...array, 0xce, ...bytes];
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
  /** None when the frame was a piece and not the last one. */
  readonly messages: readonly In[];
}

export interface DecoderLimits {
  readonly frameBytesMax: number;
  /** A message that comes in pieces: see `messageBytesMax` in wire-limits.ts. */
  readonly messageBytesMax: number;
}

interface Reading<In> {
  readonly read: (plain: Plain) => In;
  readonly valuesMax: number;
}

/** One per connection and direction: remembers the pieces of an unfinished message. */
export class FrameDecoder<In> {
  readonly #reading: Reading<In>;
  #limits: DecoderLimits;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #piecePartition = 0;
  #refused: Error | undefined;

  constructor(reading: Reading<In>, limits: DecoderLimits) {
    this.#reading = reading;
    this.#limits = limits;
  }

  /** For a worker, once the `welcome` has said what the runtime's limits are. */
  setLimits(limits: DecoderLimits): void {
    this.#limits = limits;
  }

  /**
   * `frame` must not change as long as any payload of its messages is in use: payloads are views.
   *
   * @throws ProtocolError for whatever is not exactly as PROTOCOL.md says
   */
  decode(frame: Uint8Array): DecodedFrame<In> {
    // A peer may go on until its connection is gone: what it says is not even looked at.
    if (this.#refused !== undefined) throw this.#refused;
    try {
      return this.#decode(frame);
    } catch (error) {
      this.#refused = error as Error; // ProtocolError and assertions: nothing here throws another thing
      this.#pieces = [];
      throw error;
    }
  }

  #decode(frame: Uint8Array): DecodedFrame<In> {
    const { frameBytesMax } = this.#limits;
    if (frame.length > frameBytesMax) {
      const message = `a frame of ${frame.length} bytes, the limit is ${frameBytesMax}`;
      throw new ProtocolError(message, { tooLarge: true });
    }
    const plain = unpackValue(ownMemory(frame), this.#reading.valuesMax);
    if (!Array.isArray(plain) || plain.length < 2) {
      throw new ProtocolError("a frame is an array of a partition and messages");
    }
    const [first, ...rest] = plain as [Plain, ...Plain[]]; // there are two at least
    const partition = new Fields([first], "a frame").u32();
    if (typeof rest[0] === "boolean") return { partition, messages: this.#piece(partition, plain) };
    if (this.#pieces.length > 0)
      throw new ProtocolError("something between the pieces of a message");
    return { partition, messages: rest.map(this.#reading.read) };
  }

  #piece(partition: number, plain: Plain): In[] {
    const fields = new Fields(plain, "a piece");
    fields.u32();
    const last = fields.boolean();
    const bytes = fields.bytes();
    fields.end();
    if (bytes.length < (last ? 1 : PIECE_BYTES_MIN)) {
      throw new ProtocolError(`a piece of ${bytes.length} bytes is too small`);
    }
    if (this.#pieces.length > 0 && partition !== this.#piecePartition) {
      throw new ProtocolError("pieces of one message for two partitions");
    }
    this.#piecePartition = partition;
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    const { messageBytesMax } = this.#limits;
    if (this.#pieceBytes > messageBytesMax) {
      const message = `a message of more than ${messageBytesMax} bytes`;
      throw new ProtocolError(message, { tooLarge: true });
    }
    return last ? [this.#joinPieces()] : [];
  }

  #joinPieces(): In {
    const whole = new Uint8Array(this.#pieceBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#pieceBytes = 0;
    return this.#reading.read(unpackValue(whole, this.#reading.valuesMax));
  }
}

/** A small frame is often a view into all that came from the socket at once: do not hold on to that. */
function ownMemory(frame: Uint8Array): Uint8Array {
  if (frame.buffer.byteLength <= 2 * frame.length) return frame;
  const copy = new Uint8Array(frame.length);
  copy.set(frame);
  return copy;
}

/** For what a runtime receives. */
export function workerMessageDecoder(limits: DecoderLimits): FrameDecoder<WorkerMessage> {
  const reading = { read: workerMessageFromPlain, valuesMax: WORKER_FRAME_VALUES_MAX };
  return new FrameDecoder(reading, limits);
}

/** For what a worker receives. */
export function runtimeMessageDecoder(limits: DecoderLimits): FrameDecoder<RuntimeMessage> {
  const reading = { read: runtimeMessageFromPlain, valuesMax: RUNTIME_FRAME_VALUES_MAX };
  return new FrameDecoder(reading, limits);
}
