/**
 * Runtime and worker in one process: the same messages, in the same order, and like over a wire
 * never in the middle of what the other side does.
 *
 * The runtime only notes what it is told, so it is told at once, which spares a turn of the event loop.
 * The worker, whose user's code may do anything, is told in a turn of its own.
 */
import type { Channel, ChannelHandlers } from "../../protocol/channel.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";

class End<Out, In> implements Channel<Out> {
  peer!: End<In, Out>; // set by createChannelPair before anybody has the ends
  handlers: ChannelHandlers<In> | undefined;
  readonly #atOnce: boolean;
  #queue: In[] = [];
  #open = true;

  constructor(atOnce: boolean) {
    this.#atOnce = atOnce;
  }

  send(message: Out): void {
    if (this.#open) this.peer.#enqueue(message);
  }

  bufferedBytes(): number {
    return 0;
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    setImmediate(() => this.peer.#closed(code, reason));
  }

  #enqueue(message: In): void {
    if (this.#atOnce) {
      if (this.#open) this.handlers?.onMessage(message);
      return;
    }
    if (this.#queue.length === 0) setImmediate(() => this.#deliver());
    this.#queue.push(message);
  }

  #deliver(): void {
    const messages = this.#queue;
    this.#queue = [];
    for (const message of messages) if (this.#open) this.handlers?.onMessage(message);
  }

  #closed(code: number, reason: string): void {
    if (!this.#open) return;
    this.#deliver();
    this.#open = false;
    this.handlers?.onClose(code, reason);
  }
}

export interface ChannelPair {
  readonly runtime: Channel<RuntimeMessage>;
  readonly worker: Channel<WorkerMessage>;
  /** Says who listens at each end; nothing is delivered before. */
  attachRuntime(handlers: ChannelHandlers<WorkerMessage>): void;
  attachWorker(handlers: ChannelHandlers<RuntimeMessage>): void;
}

export function createChannelPair(): ChannelPair {
  const runtime = new End<RuntimeMessage, WorkerMessage>(true);
  const worker = new End<WorkerMessage, RuntimeMessage>(false);
  runtime.peer = worker;
  worker.peer = runtime;
  return {
    runtime,
    worker,
    attachRuntime: (handlers) => (runtime.handlers = handlers),
    attachWorker: (handlers) => (worker.handlers = handlers),
  };
}
