/**
 * The real loop over the real state machine and a store in memory, with a worker that ends every
 * attempt it is given. The test decides when a turn runs, a commit is done, an alarm rings.
 */
import type { Clock } from "../../runtime/clock.ts";
import type { Effect, Response } from "../../runtime/core/effect.ts";
import type { Input, InvocationRef } from "../../runtime/core/input.ts";
import { DEFAULT_LIMITS, type Limits } from "../../runtime/core/limits.ts";
import { createMachine } from "../../runtime/core/machine.ts";
import { createLoop, type Loop } from "../../runtime/loop.ts";
import { MemoryDisk, MemoryStore } from "../../runtime/store/memory.ts";
import type { Store } from "../../runtime/store/store.ts";
import type { Start } from "../../protocol/message.ts";
import { bytes, SERVICES } from "./core-harness.ts";

export interface LoopWorldOptions {
  readonly disk?: MemoryDisk;
  readonly limits?: Partial<Limits>;
  readonly payloadCheck?: boolean;
  /** Runs a turn, completes a commit, rings an alarm: at once unless the test has another order. */
  readonly later?: (what: "turn" | "commit" | "alarm", act: () => void) => void;
  /** What the worker does with an attempt; by itself it ends it with "1". */
  readonly onStart?: (world: LoopWorld, connection: number, start: Start) => void;
}

/** Alarms further away than this never ring: what is kept for a day stays. */
const ALARM_MS_MAX = 60_000;

export class LoopWorld {
  readonly disk: MemoryDisk;
  readonly store: MemoryStore;
  readonly loop: Loop;
  readonly responses = new Map<number, Response>();
  readonly starts: Start[] = [];
  readonly fatal: Error[] = [];
  nowMs = 1_000_000;
  #request = 0;
  readonly #ordinals = new Map<number, number>();
  readonly #options: LoopWorldOptions;

  constructor(options: LoopWorldOptions = {}) {
    this.#options = options;
    this.disk = options.disk ?? new MemoryDisk();
    this.store = MemoryStore.open({ disk: this.disk, completion: "manual" });
    this.loop = createLoop({
      machine: createMachine({
        epoch: this.store.epoch,
        limits: { ...DEFAULT_LIMITS, ...options.limits },
        idempotencyPayloadCheck: options.payloadCheck ?? true,
      }),
      store: this.#watchedStore(),
      clock: this.#clock(),
      perform: (effect) => this.#perform(effect),
      onFatal: (error) => this.fatal.push(error),
      schedule: (turn) => this.#later("turn", turn),
    });
  }

  #later(what: "turn" | "commit" | "alarm", act: () => void): void {
    if (this.#options.later) this.#options.later(what, act);
    else setImmediate(act);
  }

  #watchedStore(): Store {
    const { store } = this;
    return {
      epoch: store.epoch,
      batchNumber: store.batchNumber,
      batchDigest: store.batchDigest,
      get: (key) => store.get(key),
      range: (range) => store.range(range),
      commit: (batch) => {
        const done = store.commit(batch);
        this.#later("commit", () => store.completeNext());
        return done;
      },
      confirm: () => store.confirm(),
      failed: store.failed,
      close: () => store.close(),
    };
  }

  #clock(): Clock {
    let current: (() => void) | undefined;
    return {
      nowMs: () => this.nowMs,
      setAlarm: (atMs, callback) => {
        current = atMs === undefined ? undefined : callback;
        if (atMs === undefined || atMs > this.nowMs + ALARM_MS_MAX) return;
        this.#later("alarm", () => {
          if (current !== callback) return;
          this.nowMs = Math.max(this.nowMs, atMs);
          callback();
        });
      },
    };
  }

  #perform(effect: Effect): void {
    if (effect.kind === "respond") this.responses.set(effect.request, effect.response);
    if (effect.kind !== "message" || effect.message.kind !== "start") return;
    this.starts.push(effect.message);
    const onStart = this.#options.onStart ?? ((world, at, start) => world.end(at, start));
    onStart(this, effect.connection, effect.message);
  }

  submit(input: Input): void {
    this.loop.submit(input);
  }

  connect(connection: number, concurrency = 100): void {
    const manifest = { services: SERVICES };
    const about = {
      protocol: 1,
      version: "dev",
      sdk: "test",
      concurrency,
      manifest,
      followersMax: 0,
    };
    this.submit({ kind: "worker-hello", connection, hello: { kind: "hello", ...about } });
    this.submit({ kind: "worker-congestion", connection, congested: false });
    this.#ordinals.set(connection, 1);
  }

  lose(connection: number): void {
    this.submit({ kind: "worker-lost", connection, reason: "test" });
  }

  end(connection: number, { attempt }: Start, value = "1"): void {
    const ordinal = (this.#ordinals.get(connection) ?? 0) + 1;
    this.#ordinals.set(connection, ordinal);
    const message = { kind: "end", attempt, result: { ok: true, value: bytes(value) } } as const;
    this.submit({ kind: "worker-message", connection, ordinal, message });
  }

  invoke(
    key: string,
    {
      idempotencyKey = null,
      body = "",
      mode = "call",
    }: {
      idempotencyKey?: string | null;
      body?: string;
      mode?: "call" | "send";
    } = {},
  ): number {
    const request = ++this.#request;
    this.submit({
      kind: "invoke",
      request,
      mode,
      target: { service: "counter", key, handler: "add" },
      parameter: bytes(body),
      headers: [["content-type", "application/json"]],
      idempotencyKey,
      delayMs: 0,
      entropy: String.fromCharCode(...Array.from({ length: 24 }, (_, i) => (request + i) & 255)),
    });
    return request;
  }

  ask(kind: "attach" | "output", ref: InvocationRef): number {
    const request = ++this.#request;
    this.submit({ kind, request, ref });
    return request;
  }
}
