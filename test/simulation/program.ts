/**
 * What handlers do in the simulation: small programs, drawn from the seed, that use the ctx calls in
 * every combination. A program is data, so that a failing seed can be read.
 *
 * 1. Places are in order, and a program calls only into places after its own, so that no circle of
 *    calls can arise but where one is wanted.
 * 2. Branches that run beside each other touch no state: its order would be the code's business.
 */
import type { Random } from "./random.ts";

export interface Place {
  readonly service: "cell" | "flow" | "plain";
  readonly key: string | null;
  readonly handler: string;
}

export type Program = readonly Operation[];

export type Operation = { readonly id: string } & (
  | { readonly op: "append" }
  | { readonly op: "get"; readonly name: string }
  /** `beside`: while a read of another value is under way. */
  | { readonly op: "set"; readonly name: string; readonly value: string; readonly beside: boolean }
  | { readonly op: "clear"; readonly name: string }
  | { readonly op: "clear-all" }
  | { readonly op: "state-keys" }
  | RunOperation
  | { readonly op: "sleep"; readonly ms: number }
  | { readonly op: "detached-sleep"; readonly ms: number }
  | { readonly op: "date" }
  | { readonly op: "patched" }
  /** Awaits something that is not of ctx, and goes on from outside a turn. */
  | { readonly op: "outside" }
  | { readonly op: "awakeable"; readonly limitMs: number | null }
  | {
      readonly op: "call" | "send";
      readonly to: Place;
      readonly program: Program;
      readonly delayMs: number;
      readonly idempotencyKey: string | null;
    }
  | { readonly op: "all" | "any"; readonly branches: readonly Program[] }
  | { readonly op: "race"; readonly sleepMs: number; readonly program: Program }
  | { readonly op: "fan-out"; readonly count: number; readonly to: Place }
  | { readonly op: "await-signal"; readonly signal: string }
  | { readonly op: "send-signal"; readonly to: string; readonly signal: string }
  | { readonly op: "await-promise" | "peek-promise" | "resolve-promise"; readonly promise: string }
  | { readonly op: "attach" | "cancel"; readonly to: string }
  | { readonly op: "throw-transient"; readonly times: number }
  | { readonly op: "throw-terminal" }
);

export interface RunOperation {
  readonly op: "run";
  /** How often its closure throws before it returns. */
  readonly fails: number;
  /** Tries that it has; null: as many as it takes. */
  readonly tries: number | null;
  /** Ends when the simulator says so, not on the spot. */
  readonly slow: boolean;
  readonly throwsTerminal: boolean;
  readonly value: "small" | "odd" | "large";
  readonly mode: "at-least-once" | "at-most-once" | "probe";
}

const LONG = "long".repeat(90);
const cell = (key: string): Place => ({ service: "cell", key, handler: "run" });
const flow = (key: string): Place => ({ service: "flow", key, handler: "run" });
export const PLAIN: Place = { service: "plain", key: null, handler: "run" };

/** Keys that a store could confuse: prefixes of each other, NUL, long ones, every plane of Unicode. */
export const PLACES: readonly Place[] = [
  cell("a"),
  cell("a\0b"),
  flow("a"),
  cell("\u{1F4A5}é"),
  cell(LONG),
  flow("b\0"),
  cell("a\0"),
  PLAIN,
];
const CELLS = [...PLACES.keys()].filter((it) => PLACES[it]?.service === "cell");
/** Names of state that a store could confuse with those of another key. */
const STATE_NAMES = ["x", "y", "b\0x", "\0"];
const SHARED_PLACES: readonly Place[] = [
  { service: "cell", key: "a", handler: "look" },
  { service: "flow", key: "a", handler: "poke" },
  { service: "flow", key: "b\0", handler: "poke" },
];

export interface Request {
  readonly place: Place;
  readonly program: Program;
}

/** How often each kind of operation is drawn: of each seed its own (swarm). */
type Weights = readonly (readonly [Operation["op"], number])[];

export class ProgramWriter {
  readonly #random: Random;
  readonly #weights: Weights;
  readonly #total: number;
  readonly #callsBack: boolean;
  /** The cell that many ask for at once, if there is one. */
  readonly #busy: number | null;
  readonly #rush: boolean;
  /** Whether programs may wait for who waits for them: then some end as deadlocks. */
  circles: boolean;
  /** Ids of invocations that a program may speak of. */
  readonly known: string[] = [];
  #ids = 0;

  constructor(random: Random, rush: boolean) {
    this.#random = random;
    this.#rush = rush;
    const draw = (op: Operation["op"], usual: number): readonly [Operation["op"], number] =>
      [op, random.chance(0.2) ? 0 : usual * random.int(1, 4)] as const;
    this.#weights = [
      ["append", 10],
      draw("get", 6),
      draw("set", 8),
      draw("clear", 2),
      draw("clear-all", 1),
      draw("state-keys", 2),
      ["run", 12],
      draw("sleep", 5),
      draw("detached-sleep", 1),
      draw("date", 2),
      draw("patched", 1),
      draw("outside", 2),
      draw("awakeable", 3),
      draw("call", 8),
      draw("send", 4),
      draw("all", 3),
      draw("any", 1),
      draw("race", 2),
      draw("await-signal", 1),
      draw("await-promise", 3),
      draw("attach", 1),
      draw("cancel", 1),
      draw("throw-transient", 2),
      draw("fan-out", 0.02),
    ];
    this.#callsBack = random.chance(0.25);
    this.circles = this.#callsBack;
    this.#busy = rush || random.chance(0.2) ? random.pick(CELLS) : null;
    this.#total = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
  }

  /** Where a client may start something, and what. */
  request(): Request {
    const random = this.#random;
    if (random.chance(0.15)) {
      const place = random.pick(SHARED_PLACES);
      return { place, program: this.#shared(place) };
    }
    const depth = random.chance(0.5) ? random.int(0, 1) : random.int(0, PLACES.length - 1);
    return { place: PLACES[depth] ?? PLAIN, program: this.write(depth) };
  }

  /** What comes all at once: mostly one thing, sometimes a queue for one key. */
  requests(): readonly Request[] {
    const random = this.#random;
    if (this.#busy === null || !random.chance(this.#rush ? 0.7 : 0.3)) return [this.request()];
    const depth = this.#busy;
    const place = PLACES[depth] ?? PLAIN;
    // Some end in the turn in which they start, and those behind some have to wait.
    const program = (): Program => this.write(depth, random.int(0, 2));
    return Array.from({ length: random.int(3, 6) }, () => ({ place, program: program() }));
  }

  /** A program for PLACES[depth]. */
  write(depth: number, length: number = this.#random.int(1, 3)): Program {
    const place = PLACES[depth] ?? PLAIN;
    const operations = Array.from({ length }, () => this.#operation(place, depth, true));
    // Every exclusive program leaves its mark first: the order of the marks is that of the starts.
    const marked: Operation[] = place.service === "cell" ? [this.#mark()] : [];
    const end: Operation[] = this.#random.chance(0.1)
      ? [{ id: this.#id(), op: "throw-terminal" }]
      : [];
    return [...marked, ...operations, ...end];
  }

  /** A program that wakes what waits for a signal. */
  signals(to: string, signal: string): Program {
    return [{ id: this.#id(), op: "send-signal", to, signal }];
  }

  resolves(promise: string): Program {
    return [{ id: this.#id(), op: "resolve-promise", promise }];
  }

  #shared(place: Place): Program {
    const random = this.#random;
    const id = (): string => this.#id();
    if (place.service === "flow") {
      const promise = random.pick(["p", "q"]);
      return random.chance(0.6)
        ? [{ id: id(), op: "resolve-promise", promise }]
        : [{ id: id(), op: "peek-promise", promise }];
    }
    return [
      { id: id(), op: "date" },
      { id: id(), op: "get", name: random.pick(STATE_NAMES) },
      this.#run(),
      { id: id(), op: "get", name: random.pick(STATE_NAMES) },
    ];
  }

  #operation(place: Place, depth: number, sequential: boolean): Operation {
    const random = this.#random;
    let draw = random.fraction() * this.#total;
    for (const [op, weight] of this.#weights) {
      draw -= weight;
      if (draw < 0) return this.#make(op, place, depth, sequential);
    }
    return this.#run();
  }

  #make(op: Operation["op"], place: Place, depth: number, sequential: boolean): Operation {
    const random = this.#random;
    const id = this.#id();
    const stateful = sequential && place.service !== "plain";
    switch (op) {
      case "append":
        return stateful && place.service === "cell" ? { id, op } : this.#run();
      case "get":
      case "clear":
        return stateful ? { id, op, name: random.pick(STATE_NAMES) } : { id, op: "date" };
      case "set": {
        const value = random.chance(0.05) ? `${id}${"v".repeat(300)}` : id;
        const beside = this.#ids % 2 === 0;
        return stateful ? { id, op, name: random.pick(STATE_NAMES), value, beside } : this.#run();
      }
      case "clear-all":
      case "state-keys":
        return stateful ? { id, op } : { id, op: "date" };
      case "patched":
      case "outside":
        return { id, op };
      case "sleep":
        return { id, op, ms: random.chance(0.1) ? 0 : random.int(1, 2_000) };
      case "detached-sleep":
        return { id, op, ms: random.int(0, 500) };
      case "awakeable":
        return { id, op, limitMs: random.chance(0.3) ? random.int(0, 500) : null };
      case "call":
      case "send":
        return this.#other(op, id, depth);
      case "all":
      case "any":
      case "race":
        return sequential ? this.#combinator(op, id, place, depth) : this.#run();
      case "await-signal":
        return { id, op, signal: random.pick(["s", "t"]) };
      case "await-promise":
        return place.service === "flow"
          ? { id, op, promise: random.pick(["p", "q"]) }
          : { id, op: "sleep", ms: random.int(0, 100) };
      case "attach":
      case "cancel":
        if (op === "attach") this.circles = true;
        return this.known.length > 0 ? { id, op, to: random.pick(this.known) } : this.#run();
      case "throw-transient":
        return sequential ? { id, op, times: random.int(1, 2) } : this.#run();
      case "fan-out":
        return sequential && depth < PLACES.length - 1
          ? { id, op, count: random.chance(0.1) ? 1_000 : 50, to: PLAIN }
          : this.#run();
      case "run":
        return this.#run();
      default:
        return { id, op: "date" };
    }
  }

  #run(): Operation {
    const random = this.#random;
    const fails = random.chance(0.2) ? random.int(1, 2) : 0;
    const mode = random.chance(0.25) ? random.pick(["at-most-once", "probe"] as const) : undefined;
    return {
      id: this.#id(),
      op: "run",
      fails,
      tries: mode !== "at-most-once" && random.chance(0.2) ? random.int(1, 2) : null,
      slow: random.chance(0.25),
      throwsTerminal: random.chance(0.05),
      mode: mode ?? "at-least-once",
      value: random.chance(0.01) ? "large" : random.chance(0.1) ? "odd" : "small",
    };
  }

  #other(op: "call" | "send", id: string, depth: number): Operation {
    const random = this.#random;
    const back = this.#callsBack && op === "call" && random.chance(0.3);
    if (depth + 1 >= PLACES.length && !back) return this.#run();
    // Back to itself, or to a place from which it may have been called.
    const next = back ? random.int(0, depth) : random.int(depth + 1, PLACES.length - 1);
    const to = PLACES[next] ?? PLAIN;
    const program = this.write(next, back ? 0 : random.int(1, 2));
    const delayMs = op === "send" && random.chance(0.3) ? random.int(1, 3_000) : 0;
    const idempotencyKey = to.service === "plain" && random.chance(0.2) ? id : null;
    return { id, op, to, program, delayMs, idempotencyKey };
  }

  #combinator(op: "all" | "any" | "race", id: string, place: Place, depth: number): Operation {
    const random = this.#random;
    const branch = (): Program =>
      Array.from({ length: random.int(1, 2) }, () => this.#operation(place, depth, false));
    if (op === "race") return { id, op, sleepMs: random.int(0, 1_000), program: branch() };
    return { id, op, branches: Array.from({ length: random.int(2, 3) }, branch) };
  }

  #mark(): Operation {
    return { id: this.#id(), op: "append" };
  }

  #id(): string {
    return `op${++this.#ids}`;
  }
}
