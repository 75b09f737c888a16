/**
 * The replay machine of one attempt: no I/O, no timers, no promises of its own.
 *
 * Owns the order in which things happen to the handler: command numbers, completion ids, turns,
 * which recorded command an issued one repeats, when the next delivery may be made. The driver
 * (attempt.ts) owns time and the event loop: it opens and closes turns. The context owns values.
 *
 * 1. A turn is what happens between one delivery and the next. The first one starts the handler;
 *    each later one makes one delivery, in the order of the journal.
 * 2. The next delivery is made only when the turn is closed and every recorded command of the turns
 *    so far has been issued again.
 * 3. A new command is possible only where no recorded one comes later: the commands of a turn that
 *    was cut off are accepted late, anything else is a mismatch.
 * 4. A completion whose promise has settled reaches nobody, but counts.
 * 5. After the handler has settled, or the attempt is over, commands are dropped and nothing settles.
 */
import { assert } from "../../protocol/assert.ts";
import type {
  Command,
  CompletionId,
  CompletionResult,
  Delivery,
  ReplayEntry,
} from "../../protocol/command.ts";
import { CANCELLED, type Failure, FailureCode } from "../../protocol/failure.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import type { Result } from "../../protocol/payload.ts";
import { describe, difference, identityOf, isCompletedLater, type Draft } from "./draft.ts";
import { Patches } from "./patches.ts";
import { Recorded } from "./recorded.ts";

/** Somebody who waits for the answer to a command. */
export interface Waiter {
  /** Set here, before the answer comes. */
  command: Command | undefined;
  settle(result: CompletionResult): void;
}

export interface MachineHost {
  /** A command that was not recorded yet goes to the runtime. */
  issue(command: Command): void;
  /** The code does not match its journal: the attempt fails with this. */
  mismatch(failure: Failure, command: number | null): void;
  /** Everything outstanding was rejected by a cancellation. */
  cancelled(): void;
  /** A command came from outside a turn: a warning, with where it was. */
  outside(what: string): void;
  /** Something changed outside a turn: ask `next` again. */
  wake(): void;
  /** A new command from outside a turn: once the code that issued it has run dry, ask `next` again. */
  waitsAnew(): void;
}

/** What the driver is to do once a turn is closed. */
export type Next =
  | "deliver"
  /** Commands that were recorded from outside the turn are still to come. */
  | "await-outside"
  /** Nothing to deliver: the handler waits for the runtime, or for something of its own. */
  | "idle"
  | "over";

type Phase = "running" | "settled" | "over";

/** What became of a draft. */
export type Issued =
  /** Recorded, now or before. */
  | Command
  /** A cancellation was waiting for the next promise: this one rejects, nothing was recorded. */
  | "cancelled"
  /** The handler has settled or the attempt is over: nothing happens any more. */
  | "dropped";

export interface AnswerHere {
  /** The form that carries its own answer, if the answer is known on the spot. */
  readonly here?: (() => Draft | undefined) | undefined;
  /** Whether the answer on the spot must not be used while a run is outstanding. */
  readonly durableOnly?: boolean | undefined;
}

export class ReplayMachine {
  readonly #host: MachineHost;
  readonly #recorded = new Recorded();
  readonly #patches = new Patches();
  /** What came since, and is still to be delivered: mostly one at a time, which needs no list. */
  #received: Delivery | undefined;
  #receivedThen: Delivery[] | undefined;
  /** By command index, in the order of issue. No Map: emptying one takes V8 a new table (docs/performance.md). */
  readonly #outstanding = new NumberMap<Waiter>();
  /** What is not completed, also when nobody waits for it any more. */
  readonly #byCompletion = new NumberMap<Command>();
  #openRuns = 0;
  /** How many of those outstanding are calls and attaches, and how many wait for a signal. */
  #forOthers = 0;
  #forSignals = 0;
  #keptSignals: Map<string, Result[]> | undefined;
  /** Identities that were issued from outside the present turn. */
  #outsideNow: Set<string> | undefined;
  #phase: Phase = "running";
  #turnOpen = false;
  #started = false;
  #made = 0;
  #nextIndex = 0;
  #nextCompletionId: CompletionId = 1;
  #cancelNext = false;

  constructor(host: MachineHost) {
    this.#host = host;
  }

  /** The journal so far, or more of it. Before the first turn. */
  load(entries: readonly ReplayEntry[]): void {
    assert(!this.#started, "a journal is loaded before the first turn");
    this.#recorded.load(entries);
    for (const entry of entries) {
      if (entry.kind === "delivery") continue;
      const { command } = entry;
      if (command.kind === "patched") this.#patches.load(command.patch);
      this.#nextIndex = Math.max(this.#nextIndex, command.index + 1);
      if ("completionId" in command) {
        this.#nextCompletionId = Math.max(this.#nextCompletionId, command.completionId + 1);
      }
    }
  }

  /** Something came from the runtime. */
  receive(delivery: Delivery): void {
    if (this.#received === undefined) this.#received = delivery;
    else (this.#receivedThen ??= []).push(delivery);
    this.#host.wake();
  }

  /**
   * The result of a run that is all the code waits for is the next delivery, as far as can be seen from
   * here: it is made without the runtime, which is told after how many others. Null when it may not be:
   * something else may come first.
   */
  receiveOwn(index: number): number | null {
    const waiting = this.#outstanding.get(index);
    if (waiting === undefined || this.#outstanding.size > 1 || this.#turnOpen) return null;
    if (this.#phase !== "running" || this.#hasDelivery || this.#recorded.left > 0) return null;
    const { command } = waiting;
    assert(command?.kind === "run", "only a run is answered by its worker");
    this.receive({
      kind: "completion",
      completionId: command.completionId,
      result: { kind: "proposed" },
    });
    return this.#made;
  }

  /** Deliveries made so far. */
  get made(): number {
    return this.#made;
  }

  get over(): boolean {
    return this.#phase !== "running";
  }

  /** Going over what is recorded: the console is silent. */
  get replaying(): boolean {
    return this.#recorded.left > 0 || this.#recorded.deliveriesLeft > 0;
  }

  get #hasDelivery(): boolean {
    return this.#recorded.deliveriesLeft > 0 || this.#received !== undefined;
  }

  /** Those of the journal first. */
  #takeDelivery(): Delivery | undefined {
    if (this.#recorded.deliveriesLeft > 0) return this.#recorded.takeDelivery();
    const delivery = this.#received;
    this.#received = this.#receivedThen?.shift();
    return delivery;
  }

  get outstandingCount(): number {
    return this.#outstanding.size;
  }

  /** Whether all that is outstanding is up to other invocations: calls and attaches. */
  get waitsOnlyForOthers(): boolean {
    const { size } = this.#outstanding;
    return size > 0 && size === this.#forOthers;
  }

  /** Commands issued so far, those of earlier attempts included. */
  get issued(): number {
    return this.#nextIndex;
  }

  openTurn(): void {
    assert(!this.#turnOpen, "a turn is closed before the next one opens");
    this.#turnOpen = true;
    if (this.#started) this.#deliverNext();
    this.#started = true;
  }

  closeTurn(): void {
    this.#turnOpen = false;
  }

  next(): Next {
    if (this.#phase !== "running") return "over";
    if (this.#turnOpen) return "idle";
    const missing = this.#recorded.nextInside(this.#made);
    if (missing !== undefined && this.#outstanding.size > 0) {
      this.#mismatch(missing, "the code now waits without issuing it");
      return "over";
    }
    if (missing !== undefined || this.#recorded.firstOutside(this.#made)) return "await-outside";
    return this.#hasDelivery ? "deliver" : "idle";
  }

  /** Commands from outside a turn that the journal holds did not come in time. */
  outsideTimedOut(): void {
    const missing =
      this.#recorded.nextInside(this.#made) ?? this.#recorded.firstOutside(this.#made);
    if (missing) this.#mismatch(missing, "the code has not issued it again in time");
  }

  /** `waiter`: of a draft that is answered later, and of a signal. */
  issue(draft: Draft, waiter?: Waiter, here?: AnswerHere): Issued {
    if (this.#phase !== "running") return "dropped";
    if (this.#cancelNext && waiter !== undefined) {
      this.#cancelNext = false;
      return "cancelled";
    }
    const found = this.#turnOpen ? this.#matchInside(draft) : this.#matchOutside(draft);
    if (found === "mismatch") return "dropped";
    const command = found ?? this.#record(draft, here);
    this.#register(command, waiter);
    if (!this.#turnOpen) {
      if (found !== undefined) this.#host.wake();
      else this.#host.waitsAnew();
    }
    return command;
  }

  /** Whether this invocation takes the new branch of a patch. See patches.ts. */
  patched(patch: string): boolean {
    const decided = this.#patches.answerTo(patch);
    if (decided !== undefined) return decided;
    if (this.#phase !== "running") return false;
    const isNew = this.#nothingOldAhead();
    if (isNew) {
      const draft = { kind: "patched", name: "", patch } as const;
      if (!this.#turnOpen) this.#host.outside(describe(draft));
      this.#record(draft);
    }
    this.#patches.decide(patch, isNew);
    return isNew;
  }

  /**
   * Whether code of before a patch can have been no further than here. Must come out the same in each
   * attempt for as long as it is false, since only the other answer is recorded: so it never looks at
   * what depends on how long something real takes.
   */
  #nothingOldAhead(): boolean {
    if (!this.#turnOpen) return this.#recorded.empty;
    return !this.replaying && !this.#recorded.hadOutsideFrom(this.#made);
  }

  /** The handler has settled. False when the journal says that it had not: then it is a mismatch. */
  settle(): boolean {
    if (this.#phase !== "running") return false;
    const missing = this.#recorded.first();
    if (missing) {
      this.#mismatch(missing, "the handler now ends without issuing it");
      return false;
    }
    this.#phase = "settled";
    return true;
  }

  stop(): void {
    this.#phase = "over";
  }

  #matchInside(draft: Draft): Command | "mismatch" | undefined {
    const recorded = this.#recorded.nextInside(this.#made);
    if (recorded === undefined) {
      const later =
        this.#recorded.firstOutside(this.#made) ?? this.#recorded.firstAfter(this.#made);
      return later === undefined ? undefined : this.#refuse(later, draft);
    }
    if (difference(recorded, draft) !== undefined) return this.#refuse(recorded, draft);
    this.#recorded.takeInside(this.#made);
    return recorded;
  }

  #matchOutside(draft: Draft): Command | "mismatch" | undefined {
    const identity = identityOf(draft);
    this.#outsideNow ??= new Set();
    if (this.#outsideNow.has(identity)) {
      throw new Error(
        `a second ${describe(draft)} from outside a turn: after awaiting something that is not a ctx promise, a replay could not tell the two apart; give each its own name`,
      );
    }
    this.#outsideNow.add(identity);
    if (draft.kind !== "withdraw") this.#host.outside(describe(draft));
    const recorded = this.#recorded.takeOutside(this.#made, draft);
    if (recorded === undefined) {
      const later = this.#recorded.nextInside(this.#made) ?? this.#recorded.firstAfter(this.#made);
      return later === undefined ? undefined : this.#refuse(later, draft);
    }
    return difference(recorded, draft) === undefined ? recorded : this.#refuse(recorded, draft);
  }

  #record(draft: Draft, answer?: AnswerHere): Command {
    const mayAnswerHere = !(answer?.durableOnly === true && this.#openRuns > 0);
    const body = (mayAnswerHere ? answer?.here?.() : undefined) ?? draft;
    const numbers = { index: this.#nextIndex++, after: this.#made, outside: !this.#turnOpen };
    const completion = isCompletedLater(body.kind)
      ? { completionId: this.#nextCompletionId++ }
      : undefined;
    // The draft, its numbers and, if its kind has one, a completion id make up the command. Not by
    // spreads, which cost two microseconds: docs/performance.md.
    const command = Object.assign(numbers, body, completion) as Command;
    this.#host.issue(command);
    return command;
  }

  #register(command: Command, waiter: Waiter | undefined): void {
    if (command.kind === "run") this.#openRuns++;
    if (command.kind === "withdraw") this.#withdraw(command.completionId);
    if (waiter === undefined) return;
    waiter.command = command;
    if (command.kind === "await-signal") {
      const kept = this.#keptSignals?.get(command.signal)?.shift();
      if (kept) waiter.settle(asCompletion(kept));
      else this.#await(command, waiter);
      return;
    }
    if (!isCompletedLater(command.kind)) return;
    assert("completionId" in command, `a ${command.kind} has a completion id`);
    this.#await(command, waiter);
    this.#byCompletion.set(command.completionId, command);
  }

  #await(command: Command, waiter: Waiter): void {
    this.#outstanding.set(command.index, waiter);
    this.#count(command, 1);
  }

  #awaitNoMore(command: Command): Waiter | undefined {
    const waiter = this.#outstanding.delete(command.index);
    if (waiter) this.#count(command, -1);
    return waiter;
  }

  #count({ kind }: Command, change: 1 | -1): void {
    if (kind === "call" || kind === "attach") this.#forOthers += change;
    else if (kind === "await-signal") this.#forSignals += change;
  }

  /** Nobody waits for it any more, and nothing will come of it. */
  #withdraw(completionId: CompletionId): void {
    const command = this.#byCompletion.delete(completionId);
    if (command !== undefined) this.#awaitNoMore(command);
  }

  #deliverNext(): void {
    const delivery = this.#takeDelivery();
    assert(delivery !== undefined, "a turn is opened when there is something to deliver");
    this.#made++;
    this.#outsideNow = undefined;
    switch (delivery.kind) {
      case "completion":
        this.#complete(delivery.completionId, delivery.result);
        return;
      case "signal":
        this.#signal(delivery.signal, delivery.result);
        return;
      case "cancellation":
        this.#cancel();
        return;
    }
  }

  #complete(completionId: CompletionId, result: CompletionResult): void {
    const command = this.#byCompletion.delete(completionId);
    if (command === undefined) return;
    if (command.kind === "run") this.#openRuns--;
    this.#awaitNoMore(command)?.settle(result);
  }

  #signal(signal: string, result: Result): void {
    const waiting = this.#forSignals > 0 ? this.#outstanding.values() : [];
    for (const { command } of waiting) {
      if (command?.kind !== "await-signal" || command.signal !== signal) continue;
      this.#awaitNoMore(command)?.settle(asCompletion(result));
      return;
    }
    this.#keptSignals ??= new Map();
    const kept = this.#keptSignals.get(signal) ?? [];
    kept.push(result);
    this.#keptSignals.set(signal, kept);
  }

  /** One turn: everything outstanding rejects, in command order. */
  #cancel(): void {
    if (this.#outstanding.size === 0) {
      this.#cancelNext = true;
      return;
    }
    const waiting = this.#outstanding.values();
    for (const { command } of waiting) if (command) this.#awaitNoMore(command);
    this.#host.cancelled();
    for (const waiter of waiting) waiter.settle({ kind: "failure", failure: CANCELLED });
  }

  #refuse(recorded: Command, draft: Draft): "mismatch" {
    this.#mismatch(
      recorded,
      `the code now asks for: ${describe(draft)}`,
      difference(recorded, draft),
    );
    return "mismatch";
  }

  #mismatch(recorded: Command, now: string, why?: string): void {
    this.#phase = "over";
    const at = `after ${recorded.after} deliveries`;
    const detail = why === undefined ? "" : ` (${why})`;
    const message =
      `the code does not match its journal at command ${recorded.index}${detail}. ` +
      `Recorded there, ${at}: ${describe(recorded)}; ${now}. ` +
      "Nothing was damaged: the invocation goes on once code that matches is connected.";
    const failure = {
      name: "JournalMismatchError",
      message,
      code: FailureCode.journalMismatch,
    };
    this.#host.mismatch(failure, recorded.index);
  }
}

function asCompletion(result: Result): CompletionResult {
  return result.ok
    ? { kind: "value", value: result.value }
    : { kind: "failure", failure: result.failure };
}
