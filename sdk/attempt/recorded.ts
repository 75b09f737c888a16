/**
 * The commands of a journal that the code has not issued again yet, by the number of deliveries
 * after which they were issued. Patches are kept apart: see patches.ts.
 */
import type { Command } from "../../protocol/command.ts";
import { identityOf, type Draft } from "./draft.ts";

interface Group {
  /** Issued within the turn: matched in their order. */
  readonly inside: Command[];
  /** Issued from outside it: matched by identity. */
  readonly outside: Command[];
}

export class RecordedCommands {
  readonly #groups = new Map<number, Group>();
  #left = 0;
  #empty = true;
  #lastOutside = -1;

  add(command: Command): void {
    this.#empty = false;
    if (command.outside) this.#lastOutside = Math.max(this.#lastOutside, command.after);
    const group = this.#groups.get(command.after) ?? { inside: [], outside: [] };
    this.#groups.set(command.after, group);
    (command.outside ? group.outside : group.inside).push(command);
    this.#left++;
  }

  get left(): number {
    return this.#left;
  }

  /** Whether the journal held any command. */
  get empty(): boolean {
    return this.#empty;
  }

  /** Whether it held commands from outside the turn after `after` deliveries, or a later one, taken or not. */
  hadOutsideFrom(after: number): boolean {
    return this.#lastOutside >= after;
  }

  /** The next command that the turn after `after` deliveries has to issue. */
  nextInside(after: number): Command | undefined {
    return this.#groups.get(after)?.inside[0];
  }

  takeInside(after: number): void {
    if (this.#groups.get(after)?.inside.shift()) this.#left--;
  }

  /**
   * Takes the recorded command from outside a turn that this draft repeats. What such a command waits
   * for is not in the journal, so it may now come earlier than it did: then it is one of a later turn.
   */
  takeOutside(after: number, draft: Draft): Command | undefined {
    const identity = identityOf(draft);
    const turns = [...this.#groups.keys()].filter((it) => it >= after).sort((a, b) => a - b);
    for (const turn of turns) {
      const outside = this.#groups.get(turn)?.outside ?? [];
      const at = outside.findIndex((it) => identityOf(it) === identity);
      if (at < 0) continue;
      this.#left--;
      return outside.splice(at, 1)[0];
    }
    return undefined;
  }

  /** A command of this turn that is still to be issued from outside it. */
  firstOutside(after: number): Command | undefined {
    return this.#groups.get(after)?.outside[0];
  }

  /** Any command that was issued after more deliveries: the code must have got that far. */
  firstAfter(after: number): Command | undefined {
    let first: Command | undefined;
    for (const [key, { inside, outside }] of this.#groups) {
      const candidate = key > after ? (inside[0] ?? outside[0]) : undefined;
      if (candidate && (first === undefined || candidate.index < first.index)) first = candidate;
    }
    return first;
  }

  /** The first command that has not been issued again. */
  first(): Command | undefined {
    return this.firstAfter(-1);
  }
}
