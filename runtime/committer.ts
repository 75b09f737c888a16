/**
 * Turns the overlay's open batch into commits, in order, on demand.
 *
 * 1. Batch n + 1 names the digest of batch n; batches are submitted in the order of their numbers.
 * 2. A batch is sealed when somebody outside waits for it (demand) or when it is 10 ms old, and only
 *    while a commit slot is free: until then it gathers. A full one is sealed at once, and queues; but
 *    one that a single input filled takes what comes behind that in the same turn, up to as much again:
 *    mostly the end of its invocation, which would be a second commit that the answer waits for.
 * 3. `onDurable` is called once per batch, in order. After a failure it is never called again.
 */
import type { Clock } from "./clock.ts";
import { batchDigest, encodeBatch } from "./store/batch.ts";
import type { Overlay } from "./store/overlay.ts";
import type { Store } from "./store/store.ts";

/** A batch this large is sealed at the next border between inputs. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** How long a batch that nobody waits for stays open once a slot is free. */
export const BATCH_OPEN_MS_MAX = 10;

export interface CommitterOptions {
  readonly store: Store;
  readonly overlay: Overlay;
  readonly partition: number;
  readonly clock: Pick<Clock, "nowMs">;
  readonly commitsInFlightMax: number;
  /** Called just before a batch is sealed: the last chance to write to it. */
  readonly onSeal: () => void;
  readonly onDurable: (batchNumber: number) => void;
  readonly onFatal: (error: Error) => void;
}

interface Sealed {
  readonly number: number;
  readonly bytes: Uint8Array;
}

export class Committer {
  readonly #options: CommitterOptions;
  /** Of the open batch: what its largest input wrote, if that alone is a full batch. */
  #largeInputBytes = 0;
  /** The batch that was sealed last, or its digest, which is what the next one needs. */
  #previous: string | Uint8Array;
  /** Sealed and waiting for a slot. */
  #queue: Sealed[] = [];
  #inFlight = 0;
  /** Of what is queued or in flight. */
  #sealedBytes = 0;
  #demanded = false;
  #openedAtMs: number | undefined;
  #slotFreeAtMs = 0;
  #stopped = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#previous = options.store.batchDigest;
  }

  /** Bytes written and not durable yet, the open batch included. */
  get undurableBytes(): number {
    return this.#sealedBytes + this.#options.overlay.openBytes;
  }

  get busy(): boolean {
    return this.#inFlight + this.#queue.length > 0;
  }

  /** Somebody waits for the open batch, and nothing stands in its way. */
  get due(): boolean {
    return this.#demanded && this.#slotFree();
  }

  /** The open batch has stood open as long as it may with a slot free. Of a clock that was set back, too. */
  get overdue(): boolean {
    if (this.#openedAtMs === undefined) return false;
    const ageMs = this.#options.clock.nowMs() - Math.max(this.#openedAtMs, this.#slotFreeAtMs);
    return ageMs >= BATCH_OPEN_MS_MAX || ageMs < 0;
  }

  get full(): boolean {
    return this.#options.overlay.openBytes >= BATCH_BYTES_MAX;
  }

  /** Between two inputs of a turn, the last of which wrote so many bytes. */
  afterInput(bytes: number): void {
    if (bytes >= BATCH_BYTES_MAX) this.#largeInputBytes = Math.max(this.#largeInputBytes, bytes);
    const { openBytes } = this.#options.overlay;
    if (openBytes - this.#largeInputBytes >= BATCH_BYTES_MAX) this.commitIfDue();
  }

  /** Somebody outside waits for the open batch. */
  demand(): void {
    this.#demanded = true;
  }

  /** Something hangs on the open batch, although nobody waits for it. */
  touch(): void {
    this.#openedAtMs ??= this.#options.clock.nowMs();
  }

  /** When the open batch must be sealed; undefined when it need not be, or no slot is free. */
  sealAtMs(): number | undefined {
    if (this.#openedAtMs === undefined || !this.#slotFree()) return undefined;
    return this.#openedAtMs + BATCH_OPEN_MS_MAX;
  }

  /** Seals the open batch if it is time, and submits what is sealed. */
  commitIfDue(): void {
    if (this.#stopped) return;
    if (this.full) this.#seal();
    this.#submit();
    if (!this.#slotFree() || !(this.#demanded || this.#old())) return;
    this.#seal();
    this.#submit();
  }

  stop(): void {
    this.#stopped = true;
  }

  #slotFree(): boolean {
    return this.#inFlight + this.#queue.length < this.#options.commitsInFlightMax;
  }

  #old(): boolean {
    if (this.#openedAtMs === undefined) return false;
    const ageMs = this.#options.clock.nowMs() - this.#openedAtMs;
    // A clock that was set back must not keep a batch open until it has caught up.
    return ageMs >= BATCH_OPEN_MS_MAX || ageMs < 0;
  }

  #seal(): void {
    const { overlay, store, partition, onSeal } = this.#options;
    onSeal();
    this.#demanded = false;
    this.#openedAtMs = undefined;
    this.#largeInputBytes = 0;
    const { number, writes } = overlay.seal();
    const bytes = encodeBatch(
      { partition, epoch: store.epoch, number, previous: this.#previousDigest() },
      writes,
    );
    this.#previous = bytes;
    this.#sealedBytes += bytes.length;
    this.#queue.push({ number, bytes });
  }

  #submit(): void {
    while (this.#inFlight < this.#options.commitsInFlightMax) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#inFlight++;
      void this.#watch(next);
    }
    // The disk is at work now, and the store has mostly made it: this lets the bytes go.
    this.#previousDigest();
  }

  #previousDigest(): string {
    if (typeof this.#previous !== "string") this.#previous = batchDigest(this.#previous);
    return this.#previous;
  }

  async #watch(sealed: Sealed): Promise<void> {
    try {
      await this.#options.store.commit(sealed.bytes);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#settled(sealed);
  }

  #settled({ number, bytes }: Sealed): void {
    if (this.#stopped) return;
    this.#inFlight--;
    this.#slotFreeAtMs = this.#options.clock.nowMs();
    this.#sealedBytes -= bytes.length;
    this.#options.overlay.release(number);
    this.#options.onDurable(number);
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#options.onFatal(error instanceof Error ? error : new Error(String(error)));
  }
}
