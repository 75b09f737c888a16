/**
 * The journal that an attempt goes over: the deliveries that it makes again, in their order, and the
 * commands that the code has not issued again yet. Patches are kept apart: see patches.ts.
 *
 * 1. The entries are read where they came, by two marks that move on; most journals come in one message,
 *    and nothing is made for them here. All is let go of once nothing of it is left.
 * 2. `after`, the number of deliveries before a command, never falls from one command of inside a turn to the
 *    next: a new one is recorded only when those of earlier turns have been issued again (machine.ts). From
 *    outside a turn it may fall: behind one that came earlier in a replay than it did, a new one may stand
 *    that has come earlier, too.
 */
import { assert } from "../../protocol/assert.ts";
import type { Command, Delivery, ReplayEntry } from "../../protocol/command.ts";
import { identityOf, type Draft } from "./draft.ts";

const NONE: readonly ReplayEntry[] = [];

export class Recorded {
  #entries: readonly ReplayEntry[] = NONE;
  /** Of more than one message. */
  #joined: ReplayEntry[] | undefined;
  /** Where the next delivery, and the next command from inside a turn, are looked for. */
  #deliveryAt = 0;
  #insideAt = 0;
  /** Issued from outside a turn: matched by identity, not by order. */
  #outside: Command[] | undefined;
  #left = 0;
  #deliveriesLeft = 0;
  #empty = true;
  #lastOutside = -1;

  /** More of it. */
  load(entries: readonly ReplayEntry[]): void {
    if (this.#entries.length === 0) this.#entries = entries;
    else this.#entries = this.#joined ??= [...this.#entries];
    for (const entry of entries) {
      this.#joined?.push(entry);
      if (entry.kind === "delivery") this.#deliveriesLeft++;
      else if (entry.command.kind !== "patched") this.#add(entry.command);
    }
    this.#letGo();
  }

  #add(command: Command): void {
    this.#empty = false;
    this.#left++;
    if (!command.outside) return;
    this.#lastOutside = Math.max(this.#lastOutside, command.after);
    (this.#outside ??= []).push(command);
  }

  /** Commands that are still to be issued again. */
  get left(): number {
    return this.#left;
  }

  get deliveriesLeft(): number {
    return this.#deliveriesLeft;
  }

  /** Whether the journal held any command. */
  get empty(): boolean {
    return this.#empty;
  }

  /** Whether it held commands from outside the turn after `after` deliveries, or a later one, taken or not. */
  hadOutsideFrom(after: number): boolean {
    return this.#lastOutside >= after;
  }

  takeDelivery(): Delivery {
    let entry = this.#entries[this.#deliveryAt++];
    while (entry?.kind === "command") entry = this.#entries[this.#deliveryAt++];
    assert(entry !== undefined, "who takes a recorded delivery has seen that one is left");
    this.#deliveriesLeft--;
    this.#letGo();
    return entry.delivery;
  }

  /** The next command that the turn after `after` deliveries has to issue. */
  nextInside(after: number): Command | undefined {
    const next = this.#firstInside();
    return next?.after === after ? next : undefined;
  }

  takeInside(after: number): void {
    if (this.nextInside(after) === undefined) return;
    this.#insideAt++;
    this.#take();
  }

  /**
   * Takes the recorded command from outside a turn that this draft repeats. What such a command waits
   * for is not in the journal, so it may now come earlier than it did: then it is one of a later turn.
   */
  takeOutside(after: number, draft: Draft): Command | undefined {
    if (this.#outside === undefined) return undefined;
    const identity = identityOf(draft);
    let found: Command | undefined;
    for (const it of this.#outside) {
      if (it.after < after || identityOf(it) !== identity) continue;
      if (found === undefined || it.after < found.after) found = it;
    }
    if (found === undefined) return undefined;
    this.#outside.splice(this.#outside.indexOf(found), 1);
    this.#take();
    return found;
  }

  /** A command of this turn that is still to be issued from outside it. */
  firstOutside(after: number): Command | undefined {
    return this.#outside?.find((it) => it.after === after);
  }

  /** Any command that was issued after more deliveries: the code must have got that far. */
  firstAfter(after: number): Command | undefined {
    const first = this.#firstInside();
    const inside = first && first.after > after ? first : undefined;
    const outside = this.#outside?.find((it) => it.after > after);
    if (inside === undefined || outside === undefined) return inside ?? outside;
    return inside.index < outside.index ? inside : outside;
  }

  /** The first command that has not been issued again. */
  first(): Command | undefined {
    return this.firstAfter(-1);
  }

  #firstInside(): Command | undefined {
    if (this.#left === 0) return undefined;
    for (; this.#insideAt < this.#entries.length; this.#insideAt++) {
      const entry = this.#entries[this.#insideAt];
      if (entry?.kind !== "command" || entry.command.kind === "patched") continue;
      if (!entry.command.outside) return entry.command;
    }
    return undefined;
  }

  #take(): void {
    this.#left--;
    this.#letGo();
  }

  #letGo(): void {
    if (this.#left + this.#deliveriesLeft > 0) return;
    this.#entries = NONE;
    this.#joined = undefined;
    this.#deliveryAt = 0;
    this.#insideAt = 0;
  }
}
