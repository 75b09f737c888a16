/**
 * Where a ctx call becomes a journal entry: the one way from the context into the machine.
 *
 * 1. Everything is encoded and checked before the command is recorded; what is wrong is thrown at once.
 * 2. After the attempt is over, promises never settle and commands do nothing.
 * 3. Inside the closure of a run, ctx is refused: what it recorded would not be there on replay.
 */
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { CancelledError, TerminalError } from "../errors.ts";
import { fromFailure } from "../failure.ts";
import { checkDraft } from "./check-draft.ts";
import { currentScope } from "./current-attempt.ts";
import type { Draft } from "./draft.ts";
import { JournalPromise, type Timer } from "./journal-promise.ts";
import type { IssueOptions, ReplayMachine } from "./machine.ts";

export type Here = Pick<IssueOptions, "here" | "durableOnly"> & {
  /** Told when it fails, in the place of `read`. */
  readonly failed?: (command: Command) => void;
};

export interface Recorded<T> {
  readonly promise: JournalPromise<T>;
  /** Undefined when nothing was recorded: cancelled, or over. */
  readonly command: Command | undefined;
}

/** What the completion of a command means to user code. */
export type Read<T> = (result: CompletionResult, command: Command) => T;

export class Recorder {
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
    return issued.kind === "recorded" ? issued.command : undefined;
  }

  /** Answered on the spot, once for the whole invocation. */
  patched(patch: string): boolean {
    this.#check({ kind: "patched", name: "", patch });
    return this.#machine.patched(patch);
  }

  /** A command that is answered by a completion, or carries its answer (`here`). */
  ask<T>(draft: Draft, read: Read<T>, here: Here = {}): Recorded<T> {
    this.#check(draft);
    let command: Command | undefined;
    let refusal: Error | undefined;
    const promise = new JournalPromise<T>(this.#startTimer, (resolve, reject) => {
      const settle = (result: CompletionResult, of: Command): void => {
        if (result.kind === "failure") here.failed?.(of);
        try {
          resolve(valueOf(result, of, read));
        } catch (error) {
          reject(error);
        }
      };
      let early: CompletionResult | undefined;
      try {
        const issued = this.#machine.issue(draft, {
          here: here.here,
          durableOnly: here.durableOnly,
          settle: (result) => {
            // A kept signal answers as it is asked for, before its command is known here.
            if (command === undefined) early = result;
            else settle(result, command);
          },
        });
        if (issued.kind === "cancelled") reject(new CancelledError());
        if (issued.kind !== "recorded") return;
        command = issued.command;
        const answer = answerHere(command) ?? early;
        if (answer) settle(answer, command);
      } catch (error) {
        refusal = error instanceof Error ? error : new Error(String(error));
      }
    });
    if (refusal !== undefined) throw refusal;
    return { promise, command };
  }

  readonly #startTimer = (durationMs: number): Timer => {
    const { promise, command } = this.ask({ kind: "sleep", name: "", durationMs }, () => undefined);
    const withdraw = (): void => {
      if (command?.kind !== "sleep" || this.#machine.over) return;
      this.tell({ kind: "withdraw", name: "", completionId: command.completionId });
    };
    return { due: promise, withdraw };
  };

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

function valueOf<T>(result: CompletionResult, command: Command, read: Read<T>): T {
  if (result.kind === "failure") throw fromFailure(result.failure);
  return read(result, command);
}
