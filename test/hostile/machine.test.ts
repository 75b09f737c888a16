/**
 * The bare machine and workers whose messages are well-formed and wrong: it never stops, and after
 * every input each row is where it belongs. `FUZZ_MACHINES` sets how many seeds.
 */
import { afterAll, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { Random } from "../simulation/random.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness } from "../support/core-harness.ts";
import { effort, report, SEED } from "./effort.ts";
import { HOSTILE_SERVICES, HostileWorker, messageCorpus } from "./hostile-worker.ts";

const STEPS = 150;
const WORLDS = effort("FUZZ_MACHINES", 150);
const PATHS = ["Bad/go", "BadObject/a/change", "BadObject/b/change", "BadObject/a/look", "BadFlow/w/run", "BadFlow/w/side"]; // prettier-ignore
const corpus = messageCorpus(SEED);
const counts = { messages: 0, "connections closed": 0 };

afterAll(() => report("the machine", counts));

class World {
  readonly h = new CoreHarness({ journalRetentionMs: 2_000, workflowRetentionMs: 2_000 });
  readonly #random: Random;
  readonly #ids: InvocationId[] = [];
  readonly #peers = new Map<number, { readonly worker: HostileWorker; heard: number }>();
  #nextConnection = 1;

  constructor(seed: number) {
    this.#random = new Random(seed, "hostile worker");
    this.#connect();
    this.#connect();
  }

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
    counts.messages++;
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
    const worker = new HostileWorker(this.#random, this.#ids, corpus);
    this.#peers.set(connection, { worker, heard: 0 });
    this.h.connect(connection, { services: HOSTILE_SERVICES, concurrency: 4 });
  }

  #listen(): void {
    for (const [connection, peer] of this.#peers) {
      const told = this.h.told.get(connection) ?? [];
      for (const message of told.slice(peer.heard)) peer.worker.hear(message);
      peer.heard = told.length;
      if (!this.h.closed.has(connection)) continue;
      counts["connections closed"]++;
      this.#peers.delete(connection);
      this.#connect();
    }
  }
}

test.each(Array.from({ length: WORLDS }, (_, i) => SEED * 10_000 + i))(
  "seed %i: it never stops, and every row is where it belongs",
  (seed) => {
    const world = new World(seed);
    for (let step = 0; step < STEPS; step++) {
      let did = "";
      try {
        did = world.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}, after ${did}`, { cause: error });
      }
      const broken = brokenReferences(world.h.tx);
      if (broken.length > 0) throw new Error(`step ${step}, ${did}: ${broken.join("; ")}`);
    }
    expect(world.h.tx.rows.size).toBeGreaterThan(0);
  },
);
