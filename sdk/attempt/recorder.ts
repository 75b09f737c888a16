/**
 * Where a ctx call becomes a journal entry: the one way from the context into the machine.
 *
 * 1. Everything is encoded and checked before the command is recorded; what is wrong is thrown at once.
 * 2. After the attempt is over, promises never settle and commands do nothing.
 * 3. Inside the closure of a run, ctx is refused: what it recorded would not be there on replay.
 */
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { CancelledError, TerminalError } from "../errors.ts";
import { Asked, type Read } from "./asked.ts";
import { checkDraft } from "./check-draft.ts";
import { currentScope } from "./current-attempt.ts";
import type { Draft } from "./draft.ts";
import type { Timer, Timers } from "./journal-promise.ts";
import type { AnswerHere, ReplayMachine } from "./machine.ts";

export interface Here extends AnswerHere {
  /** Told when it fails, in the place of `read`. */
  readonly failed?: (command: Command) => void;
}

const NOT_HERE: Here = {};

export class Recorder implements Timers {
  readonly #machine: ReplayMachine;
  readonly #payloadBytesMax: number;

  constructor(machine: ReplayMachine, payloadBytesMax: number) {
    this.#machine = machine;
    this.#payloadBytesMax = payloadBytesMax;
  }

  get replaying(): boolean {
    return this.#machine.replaying;
  }

  /** A command that is not answered. */
  tell(draft: Draft): Command | undefined {
    this.#check(draft);
    const issued = this.#machine.issue(draft);
    return typeof issued === "string" ? undefined : issued;
  }

  /** Answered on the spot, once for the whole invocation. */
  patched(patch: string): boolean {
    this.#check({ kind: "patched", name: "", patch });
    return this.#machine.patched(patch);
  }

  /** A command that is answered by a completion, or carries its answer (`here`). */
  ask<T>(draft: Draft, read: Read<T>, here: Here = NOT_HERE): Asked<T> {
    this.#check(draft);
    const asked = new Asked<T>(this, read, here.failed);
    const issued = this.#machine.issue(draft, asked, here);
    if (issued === "cancelled") asked.reject(new CancelledError());
    else if (issued !== "dropped") {
      const answer = answerHere(issued);
      if (answer) asked.settle(answer);
    }
    asked.made();
    return asked;
  }

  startTimer(durationMs: number): Timer {
    const { promise, command } = this.ask({ kind: "sleep", name: "", durationMs }, () => undefined);
    const withdraw = (): void => {
      if (command?.kind !== "sleep" || this.#machine.over) return;
      this.tell({ kind: "withdraw", name: "", completionId: command.completionId });
    };
    return { due: promise, withdraw };
  }

  #check(draft: Draft): void {
    const { run } = currentScope() ?? {};
    if (run !== undefined) {
      throw new TerminalError(
        `ctx was used inside the closure of run "${run}": a closure only reaches outside; make the ctx call beside it`,
      );
    }
    checkDraft(draft, this.#payloadBytesMax);
  }
}

function answerHere(command: Command): CompletionResult | undefined {
  switch (command.kind) {
    case "get-state-here":
      return command.value === null ? { kind: "void" } : { kind: "value", value: command.value };
    case "get-state-keys-here":
      return { kind: "state-keys", keys: command.keys };
    case "date-here":
      return { kind: "time", timeMs: command.timeMs };
    default:
      return undefined;
  }
}
