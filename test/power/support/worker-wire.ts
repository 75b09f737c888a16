/**
 * What a runtime has told its worker, read from its writes to the worker's socket: each go, which lets
 * a closure reach the outside.
 */
import { runtimeMessageDecoder } from "../../../protocol/codec.ts";
import type { RuntimeMessage, Start } from "../../../protocol/message.ts";

/** Try number `try` of a run may start: from this line on the outside may see its effect. */
export interface ToldGo {
  readonly line: number;
  readonly id: string;
  readonly command: number;
  readonly try: number;
}

const MANY = 64 * 1024 * 1024;
const BINARY = 0x82;

/** One connection. */
export class WorkerWire {
  readonly goes: ToldGo[] = [];
  readonly #decoder = runtimeMessageDecoder({ frameBytesMax: MANY, messageBytesMax: MANY });
  readonly #ids = new Map<number, string>();
  #bytes: Buffer = Buffer.alloc(0);

  /** Bytes behind those that came before. */
  take(bytes: Buffer, line: number): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (let frame = this.#next(); frame; frame = this.#next()) {
      if (frame.opcode !== BINARY) continue;
      for (const message of this.#decoder.decode(frame.payload).messages) this.#hear(message, line);
    }
  }

  #hear(message: RuntimeMessage, line: number): void {
    if (message.kind === "start") this.#onStart(message);
    if (message.kind !== "go") return;
    const id = this.#ids.get(message.attempt) ?? "an attempt that was not started";
    this.goes.push({ line, id, command: message.command, try: message.try });
  }

  /** Followers start without a word, once those before them have ended. */
  #onStart(start: Start): void {
    for (const { attempt, invocationId } of [start, ...start.followers]) {
      this.#ids.set(attempt, invocationId);
    }
  }

  /** A whole frame of a WebSocket; a server's are not masked. */
  #next(): { readonly opcode: number; readonly payload: Buffer } | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const short = bytes.readUInt8(1);
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return undefined;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < head + length) return undefined;
    this.#bytes = bytes.subarray(head + length);
    return { opcode: bytes.readUInt8(0), payload: bytes.subarray(head, head + length) };
  }
}
