/**
 * A command of an attempt, accepted: recorded in the journal, and carried out in the same step.
 * One exhaustive table; what a kind does stands in the file of its family.
 */
import type { Command, CommandKind } from "../../../protocol/command.ts";
import type { Failure } from "../../../protocol/failure.ts";
import type { Invocation } from "../invocation.ts";
import { appendCommand } from "../journal.ts";
import type { Sequence } from "../keys.ts";
import { recordRun } from "../runs.ts";
import type { Attempt, Step } from "../step.ts";
import { noteProgress } from "../tries.ts";
import { call, invocationId, send, type Created, type Refused } from "./calls.ts";
import { attach, cancelOther, completeAwakeable, sendSignal } from "./others.ts";
import { completePromise, getPromise, peekPromise } from "./promises.ts";
import { clearAllState, clearState, getState, getStateKeys, setState } from "./state.ts";
import { awakeable, date, sleep, withdraw } from "./waits.ts";

/** What the handler of a command works with. */
export interface CommandStep<K extends CommandKind> {
  readonly step: Step;
  readonly attempt: Attempt;
  readonly invocation: Invocation;
  readonly command: Command & { readonly kind: K };
  /**
   * A cancellation that the code had not seen covers it: nobody waits for its completion, so that
   * it is recorded and nothing comes of it that would have to be waited for.
   */
  readonly covered: boolean;
}

type Handler<K extends CommandKind> = (it: CommandStep<K>) => void;

/** Calls and sends create their child first: the journal entry names it. */
type Creator<K extends CommandKind> = (it: CommandStep<K>) => Created | Refused;

const nothing = (): void => undefined;

const HANDLERS: { readonly [K in Exclude<CommandKind, "call" | "send">]: Handler<K> } = {
  "get-state": getState,
  "get-state-here": nothing,
  "get-state-keys": getStateKeys,
  "get-state-keys-here": nothing,
  "set-state": setState,
  "clear-state": clearState,
  "clear-all-state": clearAllState,
  sleep,
  withdraw,
  "invocation-id": invocationId,
  run: (it) => recordRun(it.step, it.attempt, it.command, it.covered),
  awakeable,
  "complete-awakeable": completeAwakeable,
  "get-promise": getPromise,
  "peek-promise": peekPromise,
  "complete-promise": completePromise,
  // The worker keeps signals and answers their waits in order; the entry says what it waits for.
  "await-signal": nothing,
  "send-signal": sendSignal,
  cancel: cancelOther,
  attach,
  date,
  "date-here": nothing,
  // The entry is the answer: this invocation takes the new branch.
  patched: nothing,
};

const CREATORS: { readonly [K in "call" | "send"]: Creator<K> } = { call, send };

/** Why a well-formed command cannot come now; undefined when it can. */
export function violation(invocation: Invocation, command: Command): string | undefined {
  if (command.index !== invocation.commands) {
    return `command ${command.index} came where ${invocation.commands} was expected`;
  }
  if (command.after > invocation.deliveries) {
    return `command ${command.index} says it came after ${command.after} deliveries, there were ${invocation.deliveries}`;
  }
  if ("completionId" in command && command.kind !== "withdraw") {
    if (command.completionId <= invocation.completionIdMax) {
      return `completion id ${command.completionId} of command ${command.index} is used already`;
    }
  }
  const writes = command.kind.startsWith("set-") || command.kind.startsWith("clear-");
  if (writes && (invocation.mode !== "exclusive" || invocation.target.key === null)) {
    return `a ${invocation.mode} handler cannot ${command.kind}`;
  }
  return undefined;
}

/** Gives why it was refused: then nothing of it was recorded, and nothing done. */
export function applyCommand(step: Step, attempt: Attempt, command: Command): Failure | undefined {
  const { invocation } = attempt;
  const covered = command.after < invocation.cancelledAt;
  if (command.kind === "call" || command.kind === "send") {
    // The table is indexed by the command's own kind, which TypeScript cannot follow.
    const create = CREATORS[command.kind] as Creator<CommandKind>;
    const created = create({ step, attempt, invocation, command, covered });
    if ("refusal" in created) return created.refusal;
    accept(step, attempt, command, created.child);
    created.afterwards();
    return undefined;
  }
  accept(step, attempt, command, null);
  const handle = HANDLERS[command.kind] as Handler<CommandKind>; // as above
  handle({ step, attempt, invocation, command, covered });
  return undefined;
}

function accept(step: Step, attempt: Attempt, command: Command, child: Sequence | null): void {
  const { invocation } = attempt;
  noteProgress(step, attempt);
  attempt.idle = false;
  if ("completionId" in command && command.kind !== "withdraw") {
    invocation.completionIdMax = command.completionId;
  }
  appendCommand(step, invocation, command, child);
}
