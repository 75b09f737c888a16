/**
 * The expected state, kept outside every process that is killed: what was asked, what was answered, and
 * from it what each list has to hold and what may have happened outside.
 *
 * 1. What was answered is there, once, in the place that the answer named (I1, I6, I16).
 * 2. What had been accepted before another one was sent lies before it (I5).
 * 3. What a list showed once it shows for ever (I14).
 * 4. A number that a list shows was given by the outside to that step; all tries of a step have one
 *    token; after the answer there is no further try, but by a worker that had been stopped (I8, I9).
 */
import type { Arrival, Outside } from "./outside.ts";

export interface Expected {
  readonly key: string;
  readonly id: string;
  /** How many numbers of the outside it carries. */
  readonly steps: number;
}

export interface Op {
  readonly id: string;
  readonly kind: string;
  readonly entries: readonly Expected[];
  readonly sentAt: number;
  /** When it was known to be accepted; unknown as long as no answer came. */
  acceptedAt: number | undefined;
  /** When it was known to have ended. */
  settledAt: number | undefined;
  /** What the answer says of the first entries. */
  answered: readonly Entry[];
  /** Whether its entries have to be there; unknown without an idempotency key and an answer. */
  expected: "there" | "absent" | "unknown";
}

/** What a handler gives back, and what a list holds. */
export interface Entry {
  readonly id: string;
  readonly place: number;
  readonly numbers: readonly unknown[];
}

interface Claim {
  readonly op: Op;
  readonly expected: Expected;
  readonly index: number;
}

export class Ledger {
  readonly violations: string[] = [];
  /** Of these workers a closure may arrive at any time after they were stopped. */
  readonly stoppedWorkers = new Set<number>();
  readonly #claims = new Map<string, Map<string, Claim>>();
  readonly #seen = new Map<string, readonly string[]>();
  readonly #outside: Outside;

  constructor(outside: Outside) {
    this.#outside = outside;
  }

  add(op: Op): void {
    for (const [index, expected] of op.entries.entries()) {
      const ofKey = this.#claims.get(expected.key) ?? new Map<string, Claim>();
      this.#claims.set(expected.key, ofKey.set(expected.id, { op, expected, index }));
    }
  }

  get keys(): string[] {
    return [...this.#claims.keys()];
  }

  /** The list of a key, as it was read after all had been answered. */
  check(key: string, found: readonly Entry[]): void {
    const claims = this.#claims.get(key) ?? new Map<string, Claim>();
    const ids = found.map((it) => it.id);
    this.#complainIf(new Set(ids).size !== ids.length, `I6: ${key} holds twice: ${twice(ids)}`);
    const before = this.#seen.get(key) ?? [];
    const lost = before.findIndex((id, at) => ids[at] !== id);
    this.#complainIf(lost >= 0, `I1: ${key} had ${before[lost]} in place ${lost}: ${ids[lost]}`);
    this.#seen.set(key, ids);
    const byId = new Map(found.map((it) => [it.id, it]));
    for (const [id, claim] of claims) {
      const entry = byId.get(id);
      const { kind, expected } = claim.op;
      if (entry) this.#checkEntry(key, claim, entry);
      this.#complainIf(!entry && expected === "there", `I1: ${key} lacks ${id} of ${kind}`);
      this.#complainIf(!!entry && expected === "absent", `I17: ${key} holds ${id} of ${kind}`);
    }
    for (const id of ids) this.#complainIf(!claims.has(id), `I3: ${key} holds ${id}: nobody's`);
    this.#checkOrder(key, ids, claims);
  }

  /** Nothing more is asked about it; its list is about to be emptied. */
  forget(key: string): void {
    for (const { expected } of this.#claims.get(key)?.values() ?? []) {
      for (const step of stepsOf(expected)) this.#outside.forget(step);
    }
    this.#claims.delete(key);
    this.#seen.delete(key);
  }

  complain(what: string): void {
    this.violations.push(what);
  }

  #complainIf(broken: boolean, what: string): void {
    if (broken) this.complain(what);
  }

  #checkEntry(key: string, { op, expected, index }: Claim, entry: Entry): void {
    const told = op.answered[index];
    if (told !== undefined) {
      const { place, numbers } = entry;
      const same = told.place === place && JSON.stringify(told.numbers) === JSON.stringify(numbers);
      const says = JSON.stringify(told);
      this.#complainIf(!same, `I6: ${key} holds ${JSON.stringify(entry)}, but was told ${says}`);
    }
    for (const [i, step] of stepsOf(expected).entries()) {
      this.#checkStep(step, op, entry.numbers[i]);
    }
  }

  #checkStep(step: string, op: Op, number: unknown): void {
    const arrivals = this.#outside.of(step);
    if (op.kind === "once") {
      this.#complainIf(arrivals.length > 1, `I8: at most once, but ${step} ran ${text(arrivals)}`);
      if (number === null) return;
    }
    const given = arrivals.some((it) => it.number === number);
    this.#complainIf(!given, `I9: ${step} says ${String(number)}, the outside ${text(arrivals)}`);
    const tokens = new Set(arrivals.map((it) => it.token));
    this.#complainIf(tokens.size > 1, `I8: ${step} came with several tokens: ${text(arrivals)}`);
    const { settledAt } = op;
    if (settledAt === undefined) return;
    const late = arrivals.filter((it) => it.at > settledAt && !this.stoppedWorkers.has(it.worker));
    this.#complainIf(late.length > 0, `I8: ${step} ran after its answer: ${text(late)}`);
  }

  #checkOrder(key: string, ids: readonly string[], claims: ReadonlyMap<string, Claim>): void {
    let earliest: { readonly id: string; readonly at: number } | undefined;
    for (const id of ids.toReversed()) {
      const op = claims.get(id)?.op;
      if (op === undefined) continue;
      const overtook = earliest !== undefined && earliest.at < op.sentAt;
      this.#complainIf(
        overtook,
        `I5: ${key} holds ${id} before ${earliest?.id}, accepted before it`,
      );
      const at = op.acceptedAt ?? op.settledAt;
      if (at !== undefined && at < (earliest?.at ?? Infinity)) earliest = { id, at };
    }
  }
}

function stepsOf({ id, steps }: Expected): string[] {
  return Array.from({ length: steps }, (_, i) => `${id} #${i}`);
}

function twice(ids: readonly string[]): string {
  return ids.filter((id, at) => ids.indexOf(id) !== at).join(", ");
}

function text(arrivals: readonly Arrival[]): string {
  return JSON.stringify(arrivals);
}
