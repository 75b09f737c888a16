/**
 * Links between the runtime and its workers: the real framing and codec, in order, slow, cut at any
 * frame (a WebSocket hands on whole frames or nothing; a large message travels in several), with
 * zombies.
 *
 * 1. Within a direction frames arrive in the order in which they were sent, or not at all.
 * 2. The two ends of a cut link learn of it at different moments: until then the worker is a zombie
 *    that goes on talking, and what it says may still arrive.
 */
import type { Channel, ChannelHandlers } from "../../protocol/channel.ts";
import { encodeFrames, runtimeMessageDecoder, workerMessageDecoder } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/fields.ts";
import type { RuntimeMessage, Start, WorkerMessage } from "../../protocol/message.ts";
import { FIRST_FRAME_BYTES_MAX, messageBytesMax } from "../../protocol/wire-limits.ts";

export const FRAME_BYTES_MAX = FIRST_FRAME_BYTES_MAX;
export const PAYLOAD_BYTES_MAX = 1_000_000;

export interface LinkEvents {
  /** The worker's end hears this; before its code does. */
  onTold(link: Link, message: RuntimeMessage): void;
  /** The worker's end says this. */
  onSaid(link: Link, message: WorkerMessage, ordinal: number): void;
  /** A start is sent although the runtime could know that nothing is read. */
  onStartUnread(link: Link): void;
  /** It may bring others along. */
  onStartSent(link: Link, start: Start): void;
  /** The runtime ends it, and says why. */
  onClosedByRuntime(link: Link, code: number, reason: string): void;
}

/** One direction: messages of a turn leave together, as frames. */
class Direction<M extends RuntimeMessage | WorkerMessage> {
  frames: Uint8Array[] = [];
  bytes = 0;
  #outgoing: M[] = [];

  send(message: M): void {
    if (this.#outgoing.length === 0) setImmediate(() => this.flush());
    this.#outgoing.push(message);
  }

  flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (messages.length === 0) return;
    for (const frame of encodeFrames(0, messages, FRAME_BYTES_MAX)) {
      this.frames.push(frame);
      this.bytes += frame.length;
    }
  }

  take(): Uint8Array | undefined {
    const frame = this.frames.shift();
    this.bytes -= frame?.length ?? 0;
    return frame;
  }

  clear(): void {
    this.frames = [];
    this.bytes = 0;
    this.#outgoing = [];
  }
}

export class Link {
  readonly id: number;
  /** What each end believes. */
  runtimeOpen = true;
  workerOpen = true;
  /** The connection's number as its runtime counts; what arrives late is submitted under it. */
  connection = 0;
  /** Bytes that a slow consumer has not read, beside those that are here. */
  clogBytes = 0;
  readonly #events: LinkEvents;
  readonly #toRuntime = new Direction<WorkerMessage>();
  readonly #toWorker = new Direction<RuntimeMessage>();
  readonly #limits = {
    frameBytesMax: FRAME_BYTES_MAX,
    messageBytesMax: messageBytesMax(PAYLOAD_BYTES_MAX),
  };
  readonly #fromWorker = workerMessageDecoder(this.#limits);
  readonly #fromRuntime = runtimeMessageDecoder(this.#limits);
  #runtime: ChannelHandlers<WorkerMessage> | undefined;
  #worker: ChannelHandlers<RuntimeMessage> | undefined;
  /** Whether the runtime has sent something since, and so had to look. */
  #clogSeen: "no" | "now" | "yes" = "no";
  #said = 0;
  #heard = 0;

  constructor(id: number, events: LinkEvents) {
    this.id = id;
    this.#events = events;
  }

  get upward(): number {
    return this.#toRuntime.frames.length;
  }

  get downward(): number {
    return this.#toWorker.frames.length;
  }

  /** How many messages of the worker have arrived. */
  get heard(): number {
    return this.#heard;
  }

  /** Nothing is read from now on, or all of it again. */
  set clogged(bytes: number) {
    this.clogBytes = bytes;
    this.#clogSeen = "no";
  }

  /** A step is over: what was sent in it has been looked at. */
  settle(): void {
    if (this.#clogSeen === "now") this.#clogSeen = "yes";
  }

  readonly runtimeChannel: Channel<RuntimeMessage> = {
    send: (message) => {
      if (!this.runtimeOpen) return;
      if (this.clogBytes > 0) {
        if (this.#clogSeen === "yes" && message.kind === "start") this.#events.onStartUnread(this);
        // At an acknowledgement and at a welcome nobody looks.
        const looks = message.kind !== "ack" && message.kind !== "welcome";
        if (looks && this.#clogSeen === "no") this.#clogSeen = "now";
      }
      if (message.kind === "start") this.#events.onStartSent(this, message);
      this.#toWorker.send(message);
    },
    bufferedBytes: () => this.#toWorker.bytes + this.clogBytes,
    close: (code, reason) => {
      if (!this.runtimeOpen) return;
      this.#toWorker.flush();
      this.runtimeOpen = false;
      this.#events.onClosedByRuntime(this, code, reason);
    },
  };

  readonly workerChannel: Channel<WorkerMessage> = {
    send: (message) => {
      if (!this.workerOpen) return;
      this.#events.onSaid(this, message, ++this.#said);
      this.#toRuntime.send(message);
    },
    bufferedBytes: () => this.#toRuntime.bytes,
    close: () => {
      this.#toRuntime.flush();
      this.cutWorker();
    },
  };

  attachRuntime(handlers: ChannelHandlers<WorkerMessage>): void {
    this.#runtime = handlers;
  }

  attachWorker(handlers: ChannelHandlers<RuntimeMessage>): void {
    this.#worker = handlers;
  }

  /** One frame arrives. What comes after the runtime has given the link up goes to `late`. */
  deliverToRuntime(late: (message: WorkerMessage, ordinal: number) => void): void {
    const frame = this.#toRuntime.take();
    if (frame === undefined) return;
    for (const message of this.#decode(frame)) {
      this.#heard++;
      if (this.runtimeOpen) this.#runtime?.onMessage(message);
      else late(message, this.#heard);
    }
  }

  /** What breaks the protocol ends the link, as it does in runtime/hub/ws-listener.ts. */
  #decode(frame: Uint8Array): readonly WorkerMessage[] {
    try {
      return this.#fromWorker.decode(frame).messages;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.runtimeChannel.close(error.closeCode, error.message);
      this.#runtime?.onClose(error.closeCode, error.message);
      this.#toRuntime.clear();
      return [];
    }
  }

  deliverToWorker(): void {
    const frame = this.#toWorker.take();
    if (frame === undefined) return;
    for (const message of this.#fromRuntime.decode(frame).messages) {
      if (!this.workerOpen) return;
      this.#events.onTold(this, message);
      this.#worker?.onMessage(message);
    }
  }

  /** The runtime takes the worker for dead: it hears nothing more from this link that counts. */
  cutRuntime(): void {
    if (!this.runtimeOpen) return;
    this.runtimeOpen = false;
    this.#runtime?.onClose(1006, "the link was cut");
  }

  /** The worker notices. */
  cutWorker(): void {
    if (!this.workerOpen) return;
    this.workerOpen = false;
    this.#toWorker.clear();
    this.#worker?.onClose(1006, "the link was cut");
  }

  /** The worker's process is gone: what it had sent may still be on its way. */
  killWorker(): void {
    this.workerOpen = false;
    this.#worker = undefined;
  }

  /** The runtime's process is gone, and everything on its way with it. */
  killRuntime(): void {
    this.runtimeOpen = false;
    this.#runtime = undefined;
    this.#toRuntime.clear();
  }
}
