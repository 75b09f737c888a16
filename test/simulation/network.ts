/**
 * Links between the runtime and its workers: in order, slow, cut at any moment, and with zombies.
 *
 * 1. Within a direction messages arrive in the order in which they were sent, or not at all.
 * 2. The two ends of a cut link learn of it at different moments: until then the worker is a zombie
 *    that goes on talking, and what it says may still arrive.
 */
import type { Channel, ChannelHandlers } from "../../protocol/channel.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";

export interface RuntimeEnd {
  onMessage(link: Link, message: WorkerMessage, ordinal: number): void;
  onLost(link: Link): void;
}

export class Link {
  readonly id: number;
  readonly toRuntime: WorkerMessage[] = [];
  readonly toWorker: RuntimeMessage[] = [];
  /** What each end believes. */
  runtimeOpen = true;
  workerOpen = true;
  readonly #runtime: RuntimeEnd;
  #worker: ChannelHandlers<RuntimeMessage> | undefined;
  #ordinal = 0;

  constructor(id: number, runtime: RuntimeEnd) {
    this.id = id;
    this.#runtime = runtime;
  }

  /** The worker's end. */
  channel(): Channel<WorkerMessage> {
    return {
      send: (message) => {
        if (this.workerOpen) this.toRuntime.push(message);
      },
      bufferedBytes: () => 0,
      close: () => this.cutWorker(),
    };
  }

  attach(handlers: ChannelHandlers<RuntimeMessage>): void {
    this.#worker = handlers;
  }

  deliverToRuntime(): void {
    const message = this.toRuntime.shift();
    if (message === undefined) return;
    this.#ordinal++;
    this.#runtime.onMessage(this, message, this.#ordinal);
  }

  deliverToWorker(): void {
    const message = this.toWorker.shift();
    if (message !== undefined && this.workerOpen) this.#worker?.onMessage(message);
  }

  /** The runtime takes the worker for dead: it hears nothing more from this link that counts. */
  cutRuntime(): void {
    if (!this.runtimeOpen) return;
    this.runtimeOpen = false;
    this.#runtime.onLost(this);
  }

  /** The worker notices. */
  cutWorker(): void {
    if (!this.workerOpen) return;
    this.workerOpen = false;
    this.toWorker.length = 0;
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
    this.toRuntime.length = 0;
  }
}
