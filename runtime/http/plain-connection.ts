/**
 * A connection on which only plain requests have come so far. With the first other one it becomes
 * Node's for good.
 *
 * 1. One request at a time: what comes meanwhile is held, up to `HELD_BYTES_MAX`, then not read.
 * 2. What is not a plain request goes to Node, with all that came behind it, and not a byte of it has
 *    been used: Node finds the connection as if it were new.
 * 3. A client that has closed its side, or is gone, is not waiting: its request is forgotten.
 * 4. While a client does not read its answers, nothing more is taken from it.
 */
import type { Socket } from "node:net";
import type { Answer } from "./answer.ts";
import { ClientSignal } from "./client-signal.ts";
import type { HttpLimits } from "./http-limits.ts";
import { writePlainAnswer } from "./plain-answer.ts";
import { readPlainRequest, type PlainRequest } from "./plain-request.ts";

const HELD_BYTES_MAX = 64 * 1024;

export interface PlainHost {
  readonly limits: HttpLimits;
  /** No new requests: connections close behind their answers. */
  closing(): boolean;
  /** `undefined`: there is nobody to answer. */
  serve(request: PlainRequest, signal: ClientSignal): Promise<Answer | undefined>;
  /** The connection is Node's now, which will get this piece as the first. */
  handOver(connection: PlainConnection, piece: Buffer): void;
  gone(connection: PlainConnection): void;
  onError(error: unknown): void;
}

export class PlainConnection {
  readonly socket: Socket;
  /** Among those of the listener. */
  readonly number: number;
  readonly #host: PlainHost;
  /** Of the request that is being served. */
  #client: ClientSignal | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The last answer has been given: what still comes is thrown away. */
  #over = false;
  #quietLooks = 0;

  constructor(socket: Socket, number: number, host: PlainHost) {
    this.socket = socket;
    this.number = number;
    this.#host = host;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("drain", this.#onDrain);
    socket.on("error", this.#onError).on("close", this.#onClose);
  }

  /** Called every `checkIntervalMs`: closes what has been idle for too long. */
  look(): void {
    const { checkIntervalMs, keepAliveMs } = this.#host.limits;
    this.#quietLooks = this.#idle() ? this.#quietLooks + 1 : 0;
    if ((this.#quietLooks - 1) * checkIntervalMs >= keepAliveMs) this.socket.destroy();
  }

  closeIfIdle(): void {
    if (this.#idle()) this.socket.destroy();
  }

  #idle(): boolean {
    return this.#client === undefined && this.socket.writableLength === 0;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#over) return;
    if (this.#client === undefined && !this.socket.writableNeedDrain) {
      this.#take(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HELD_BYTES_MAX) this.socket.pause();
  };

  #take(piece: Buffer): void {
    const request = readPlainRequest(piece, this.#host.limits);
    if (request === undefined) {
      this.#leave(piece);
      return;
    }
    this.#quietLooks = 0;
    const client = new ClientSignal();
    this.#client = client;
    this.#host.serve(request, client).then(this.#answer, this.#fail);
  }

  readonly #answer = (answer: Answer | undefined): void => {
    try {
      this.#give(answer);
    } catch (error) {
      this.#fail(error);
    }
  };

  #give(answer: Answer | undefined): void {
    this.#client = undefined;
    const { socket } = this;
    if (answer === undefined || socket.destroyed || socket.writableEnded) return;
    const { limits } = this.#host;
    const closes = answer.closes === true || this.#host.closing();
    writePlainAnswer(socket, answer, { closes, keepAliveMs: limits.keepAliveMs });
    if (closes) this.#close();
    else if (this.#held.length > 0) this.#onDrain();
  }

  readonly #fail = (error: unknown): void => {
    this.#host.onError(error);
    this.socket.destroy();
  };

  /** As `closeGently` has it: the client can read its answer. */
  #close(): void {
    this.#over = true;
    this.#drop();
    this.socket.resume();
    this.socket.destroySoon();
  }

  /** What was held is looked at as soon as the answer before it is on its way. */
  readonly #onDrain = (): void => {
    const { socket } = this;
    if (this.#held.length === 0 || this.#client || socket.writableNeedDrain) return;
    const piece = Buffer.concat(this.#held);
    this.#drop();
    this.#take(piece);
    socket.resume();
  };

  #leave(piece: Buffer): void {
    const { socket } = this;
    socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#onDrain);
    socket.off("error", this.#onError).off("close", this.#onClose);
    this.#host.handOver(this, piece);
  }

  readonly #onEnd = (): void => {
    this.#drop();
    this.#client?.abort();
    if (!this.#over) this.socket.end();
  };

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** It says no more than the close that follows. */
  readonly #onError = (): void => undefined;

  readonly #onClose = (): void => {
    this.#drop();
    this.#client?.abort();
    this.#host.gone(this);
  };
}
