/** The runtime in the simulation: the real machine, loop, committer and overlay, on a disk of its own. */
import { createMachine } from "../../runtime/core/machine.ts";
import type { Effect, Response } from "../../runtime/core/effect.ts";
import type { Input } from "../../runtime/core/input.ts";
import { DEFAULT_LIMITS } from "../../runtime/core/limits.ts";
import type { Clock } from "../../runtime/clock.ts";
import { createLoop, type Loop } from "../../runtime/loop.ts";
import { MemoryStore, type MemoryDisk } from "../../runtime/store/memory.ts";
import type { WorkerMessage } from "../../protocol/message.ts";
import type { Link, RuntimeEnd } from "./network.ts";

export interface RuntimeEvents {
  onResponse(request: number, response: Response): void;
  onFatal(error: Error): void;
}

export class RuntimeProcess implements RuntimeEnd {
  readonly store: MemoryStore;
  readonly loop: Loop;
  readonly #links = new Map<number, Link>();
  readonly #events: RuntimeEvents;
  #alive = true;

  constructor(disk: MemoryDisk, clock: Clock, events: RuntimeEvents) {
    this.#events = events;
    this.store = MemoryStore.open({ disk, completion: "manual" });
    const limits = {
      ...DEFAULT_LIMITS,
      eagerStateBytesMax: 200,
      // What ended is looked at when everything is over.
      journalRetentionMs: DEFAULT_LIMITS.delayMsMax,
    };
    this.loop = createLoop({
      machine: createMachine({ epoch: this.store.epoch, limits }),
      store: this.store,
      clock,
      perform: (effect) => this.#perform(effect),
      onFatal: (error) => {
        if (this.#alive) events.onFatal(error);
      },
    });
    this.loop.start().catch(() => undefined);
  }

  get links(): readonly Link[] {
    return [...this.#links.values()];
  }

  connect(link: Link): void {
    this.#links.set(link.id, link);
  }

  submit(input: Input): void {
    if (this.#alive) this.loop.submit(input);
  }

  onMessage(link: Link, message: WorkerMessage, ordinal: number): void {
    const connection = link.id;
    if (message.kind === "hello") this.submit({ kind: "worker-hello", connection, hello: message });
    else if (message.kind === "drain") this.submit({ kind: "worker-drain", connection, ordinal });
    // A message of a link that counts as lost is handed on all the same: the machine is the fence.
    else this.submit({ kind: "worker-message", connection, ordinal, message });
  }

  onLost(link: Link): void {
    this.submit({ kind: "worker-lost", connection: link.id, reason: "lost" });
  }

  /** SIGKILL: of the commits on their way the first `keep` had reached the disk. */
  crash(keep: number): void {
    this.#alive = false;
    this.store.crash(keep);
    for (const link of this.#links.values()) link.killRuntime();
  }

  #perform(effect: Effect): void {
    if (!this.#alive) return;
    if (effect.kind === "respond") {
      this.#events.onResponse(effect.request, effect.response);
      return;
    }
    if (effect.kind === "warn") return;
    const link = this.#links.get(effect.connection);
    if (link === undefined || !link.runtimeOpen) return;
    if (effect.kind === "close-connection") {
      throw new Error(`the runtime closed a connection: ${effect.reason}`);
    }
    link.toWorker.push(effect.message);
    if (effect.message.kind === "welcome") {
      this.submit({ kind: "worker-congestion", connection: link.id, congested: false });
    }
  }
}
