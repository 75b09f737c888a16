/**
 * The runtime in the simulation: the real machine, loop, committer, overlay, hub and requests, joined
 * as runtime/server.ts joins them, on a disk of its own.
 */
import type { Ask, Question } from "../../runtime/ask.ts";
import { systemClock } from "../../runtime/clock.ts";
import { createMachine } from "../../runtime/core/machine.ts";
import type { Effect, Response } from "../../runtime/core/effect.ts";
import type { Input } from "../../runtime/core/input.ts";
import { DEFAULT_LIMITS, type Limits } from "../../runtime/core/limits.ts";
import { createHub, type Hub } from "../../runtime/hub/hub.ts";
import type { Log } from "../../runtime/log.ts";
import { createLoop, type Loop } from "../../runtime/loop.ts";
import { createRequests } from "../../runtime/requests.ts";
import { MemoryStore, type MemoryDisk } from "../../runtime/store/memory.ts";
import type { WorkerMessage } from "../../protocol/message.ts";
import { FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX, type Link } from "./network.ts";

const nothing = (): void => undefined;
const SILENT: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
};

export interface RuntimeOptions {
  readonly disk: MemoryDisk;
  readonly inactivityTimeoutMs: number;
  readonly eagerStateBytesMax: number;
  readonly onFatal: (error: Error) => void;
  /** It came to the effect before which it was to be killed. */
  readonly onKilled: () => void;
}

export function limitsOf(
  options: Pick<Limits, "inactivityTimeoutMs" | "eagerStateBytesMax">,
): Limits {
  return {
    ...DEFAULT_LIMITS,
    ...options,
    frameBytesMax: FRAME_BYTES_MAX,
    payloadBytesMax: PAYLOAD_BYTES_MAX,
  };
}

export class RuntimeProcess {
  readonly store: MemoryStore;
  readonly loop: Loop;
  readonly #clock = systemClock();
  readonly #hub: Hub;
  readonly #ask: Ask;
  readonly #respond: (request: number, response: Response) => void;
  readonly #links = new Map<number, Link>();
  #connections = 0;
  readonly #onKilled: () => void;
  #alive = true;
  #effectsLeft: number | undefined;

  constructor({ disk, onFatal, onKilled, ...rest }: RuntimeOptions) {
    this.#onKilled = onKilled;
    this.store = MemoryStore.open({ disk, completion: "manual" });
    const submit = (input: Input): void => this.submit(input);
    this.#hub = createHub({ submit, log: SILENT });
    const requests = createRequests(submit);
    this.#ask = requests.ask;
    this.#respond = (request, response) => requests.respond(request, response);
    this.loop = createLoop({
      machine: createMachine({ epoch: this.store.epoch, limits: limitsOf(rest) }),
      store: this.store,
      clock: this.#clock,
      perform: (effect) => this.#perform(effect),
      onFatal: (error) => {
        if (this.#alive) onFatal(error);
      },
    });
    this.loop.start().catch(nothing);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** In the order in which they were made. */
  get links(): IterableIterator<Link> {
    return this.#links.values();
  }

  has(link: Link): boolean {
    return this.#links.get(link.id) === link;
  }

  forget(link: Link): void {
    this.#links.delete(link.id);
  }

  connect(link: Link): void {
    this.#links.set(link.id, link);
    link.connection = ++this.#connections;
    link.attachRuntime(this.#hub.accept(link.runtimeChannel));
  }

  ask(question: Question, signal: AbortSignal): Promise<Response> {
    return this.#ask(question, signal);
  }

  submit(input: Input): void {
    if (this.#alive) this.loop.submit(input);
  }

  /** A message of a link that counts as lost reaches the machine all the same: the machine is the fence. */
  submitLate(link: Link, message: WorkerMessage, ordinal: number): void {
    const { connection } = link;
    if (message.kind === "hello") return;
    if (message.kind === "drain") this.submit({ kind: "worker-drain", connection, ordinal });
    else this.submit({ kind: "worker-message", connection, ordinal, message });
  }

  /** SIGKILL: of the commits on their way the first `keep` had reached the disk. */
  crash(keep: number): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.store.crash(keep);
    this.#clock.setAlarm(undefined, nothing);
    for (const link of this.#links.values()) link.killRuntime();
    this.#hub.shutdown();
  }

  /** SIGKILL after this many more effects. */
  dieAfterEffects(count: number): void {
    this.#effectsLeft = count;
  }

  #perform(effect: Effect): void {
    if (!this.#alive) return;
    if (this.#effectsLeft !== undefined && this.#effectsLeft-- === 0) {
      this.#onKilled();
      return;
    }
    switch (effect.kind) {
      case "respond":
        this.#respond(effect.request, effect.response);
        return;
      case "message":
        this.#hub.send(effect.connection, effect.message);
        return;
      case "close-connection":
        this.#hub.close(effect.connection, effect.code, effect.reason);
        return;
      case "warn":
        return;
    }
  }
}
