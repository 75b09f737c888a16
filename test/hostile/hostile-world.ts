/** The bare machine with two hostile workers, callers, control and restarts; one seed decides all. */
import type { InvocationId } from "../../protocol/ids.ts";
import type { WorkerMessage } from "../../protocol/message.ts";
import { Random } from "../simulation/random.ts";
import { CoreHarness } from "../support/core-harness.ts";
import { HOSTILE_SERVICES, HostileWorker } from "./hostile-worker.ts";

const PATHS = ["Bad/go", "BadObject/a/change", "BadObject/b/change", "BadObject/a/look", "BadFlow/w/run", "BadFlow/w/side"]; // prettier-ignore
export class HostileWorld {
  messages = 0;
  connectionsClosed = 0;
  readonly h = new CoreHarness({ journalRetentionMs: 2_000, workflowRetentionMs: 2_000 });
  readonly #random: Random;
  readonly #ids: InvocationId[] = [];
  readonly #peers = new Map<number, { readonly worker: HostileWorker; heard: number }>();
  #nextConnection = 1;

  readonly #corpus: readonly WorkerMessage[];

  constructor(seed: number, corpus: readonly WorkerMessage[]) {
    this.#corpus = corpus;
    this.#random = new Random(seed, "hostile worker");
    this.#connect();
    this.#connect();
  }

  /** Gives what was done. */
  step(): string {
    const random = this.#random;
    const draw = random.int(0, 99);
    let did = "";
    if (draw < 15) did = this.#invoke();
    else if (draw < 20) this.h.advance(random.pick([1, 30, 3_000]));
    else if (draw < 24) did = this.#control();
    else if (draw < 25) this.#restart();
    else did = this.#say();
    this.#listen();
    return did;
  }

  #invoke(): string {
    const path = this.#random.pick(PATHS);
    const response = this.h.responses.get(this.h.invoke(path, { mode: "send" }));
    if (response?.kind === "accepted") this.#ids.push(response.invocationId);
    return `invoke ${path}`;
  }

  #control(): string {
    if (this.#ids.length === 0) return "";
    const invocationId = this.#random.pick(this.#ids);
    const kind = this.#random.pick(["cancel", "kill", "pause", "resume", "purge"] as const);
    this.h.ask((request) => ({ kind, request, invocationId }));
    return kind;
  }

  #say(): string {
    const [connection, { worker }] = this.#random.pick([...this.#peers]);
    const message = worker.next();
    this.messages++;
    if (message.kind === "drain") this.h.apply({ kind: "worker-drain", connection, ordinal: 1 });
    // The hub lets no second hello through.
    else if (message.kind !== "hello") this.h.say(connection, message);
    return `${connection}: ${JSON.stringify(message)}`;
  }

  #restart(): void {
    this.h.restart();
    this.#peers.clear();
    this.#connect();
  }

  #connect(): void {
    const connection = this.#nextConnection++;
    const worker = new HostileWorker(this.#random, this.#ids, this.#corpus);
    this.#peers.set(connection, { worker, heard: 0 });
    this.h.connect(connection, { services: HOSTILE_SERVICES, concurrency: 4 });
  }

  #listen(): void {
    for (const [connection, peer] of this.#peers) {
      const told = this.h.told.get(connection) ?? [];
      for (const message of told.slice(peer.heard)) peer.worker.hear(message);
      peer.heard = told.length;
      if (!this.h.closed.has(connection)) continue;
      this.connectionsClosed++;
      this.#peers.delete(connection);
      this.#connect();
    }
  }
}
