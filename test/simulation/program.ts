/**
 * What handlers do in the simulation: small programs, drawn from the seed, that use the ctx calls in
 * every combination. A program is data, so that a failing seed can be read.
 */
import type { Random } from "./random.ts";

export type Operation = { readonly id: string } & (
  | { readonly op: "append" }
  | { readonly op: "run"; readonly fails: number }
  | { readonly op: "sleep"; readonly ms: number }
  | { readonly op: "call"; readonly key: string; readonly program: Program }
  | {
      readonly op: "send";
      readonly key: string;
      readonly delayMs: number;
      readonly program: Program;
    }
  | { readonly op: "all"; readonly branches: readonly Program[] }
  | { readonly op: "race"; readonly sleepMs: number; readonly program: Program }
  | { readonly op: "awakeable" }
  | { readonly op: "date" }
  | { readonly op: "detached-sleep"; readonly ms: number }
  | { readonly op: "throw-transient"; readonly times: number }
  | { readonly op: "throw-terminal" }
);

export type Program = readonly Operation[];

/** Keys in order: a program calls only keys after its own, so that no circle of calls can arise. */
export const KEYS = ["a", "b", "c", "d", "e", "f"] as const;

export class ProgramWriter {
  readonly #random: Random;
  #ids = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A program for the key at `depth` in KEYS. */
  write(depth: number, length = this.#random.int(1, 5)): Program {
    const operations = Array.from({ length }, () => this.#operation(depth, true));
    return this.#random.chance(0.1)
      ? [...operations, { id: this.#id(), op: "throw-terminal" }]
      : operations;
  }

  #operation(depth: number, nested: boolean): Operation {
    const random = this.#random;
    const id = this.#id();
    const draw = random.int(0, 99);
    if (draw < 25) return { id, op: "append" };
    if (draw < 48) return { id, op: "run", fails: random.chance(0.2) ? random.int(1, 2) : 0 };
    if (draw < 56) return { id, op: "sleep", ms: random.int(0, 2_000) };
    if (draw < 60) return { id, op: "date" };
    if (draw < 64) return { id, op: "awakeable" };
    if (draw < 67) return { id, op: "detached-sleep", ms: random.int(0, 500) };
    if (draw < 71) return { id, op: "throw-transient", times: random.int(1, 2) };
    if (draw < 88) return this.#other(id, depth);
    return nested ? this.#combinator(id, depth) : { id, op: "append" };
  }

  #other(id: string, depth: number): Operation {
    const random = this.#random;
    if (depth + 1 >= KEYS.length) return { id, op: "append" };
    const next = random.int(depth + 1, KEYS.length - 1);
    const key = KEYS[next] ?? "f";
    const program = this.write(next, random.int(1, 3));
    if (random.chance(0.6)) return { id, op: "call", key, program };
    return { id, op: "send", key, delayMs: random.chance(0.3) ? random.int(1, 3_000) : 0, program };
  }

  /** Branches hold no appends of their own key: their order beside each other is the code's business. */
  #combinator(id: string, depth: number): Operation {
    const random = this.#random;
    const branch = (): Program =>
      Array.from({ length: random.int(1, 2) }, () => this.#operation(depth, false)).filter(
        (it) => it.op !== "append" && it.op !== "throw-transient",
      );
    if (random.chance(0.3)) {
      return { id, op: "race", sleepMs: random.int(0, 1_000), program: branch() };
    }
    const branches = Array.from({ length: random.int(2, 4) }, branch);
    return { id, op: "all", branches };
  }

  #id(): string {
    return `op${++this.#ids}`;
  }
}

/** All appends of a program itself, without those of the programs it hands on. */
export function ownAppends(program: Program): string[] {
  return program.filter((it) => it.op === "append").map((it) => it.id);
}
