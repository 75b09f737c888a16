/** What an invocation does to others: complete their awakeables, signal, cancel, attach. */
import { parseAwakeableId, parseInvocationId } from "../../../protocol/ids.ts";
import type { AwakeableId, InvocationId } from "../../../protocol/ids.ts";
import type { Result } from "../../../protocol/payload.ts";
import { cancel } from "../control.ts";
import { quarantineOf, readOr } from "../damage.ts";
import { answer, asCompletion, complete, deliver } from "../deliver.ts";
import type { Invocation } from "../invocation.ts";
import { byCompletion, findCommand } from "../journal.ts";
import { pendingKey } from "../keys.ts";
import { readPending } from "../pendings.ts";
import { find, type Step } from "../step.ts";
import type { CommandStep } from "./apply-command.ts";
import { attachTo, terminal } from "./calls.ts";

export function completeAwakeable({ step, command }: CommandStep<"complete-awakeable">): void {
  completeAwakeableById(step, command.awakeableId, command.result);
}

/**
 * The first completion wins; a later one changes nothing and is no error.
 * "unknown" when no such invocation is there, or it has not asked for it yet: who knows an id before
 * its command is accepted has it from code that ran ahead, and must not hear that it was taken.
 */
export function completeAwakeableById(
  step: Step,
  id: AwakeableId,
  result: Result,
): "taken" | "unknown" {
  const parts = parseAwakeableId(id);
  const invocation = parts && find(step, parts.invocation);
  if (parts === undefined || invocation === undefined) return "unknown";
  const { completionId } = parts;
  if (completionId > invocation.completionIdMax) return "unknown";
  // An id that somebody made up from a real one must not complete a sleep or a call.
  if (isAwakeable(step, invocation, completionId)) {
    complete(step, invocation, completionId, asCompletion(result));
  }
  return "taken";
}

function isAwakeable({ tx }: Step, invocation: Invocation, completionId: number): boolean {
  const row = tx.get(pendingKey(invocation.sequence, completionId));
  if (row === undefined) return false;
  const { kind } = readPending(row);
  if (kind !== "damaged") return kind === "awakeable";
  // Its command says what it is.
  const command = readOr(() => findCommand(tx, invocation, byCompletion(completionId)), undefined);
  return command?.command.kind === "awakeable";
}

export function sendSignal({ step, command }: CommandStep<"send-signal">): void {
  const target = findById(step, command.invocationId);
  if (target === undefined || target.status === "completed") return;
  deliver(step, target, { kind: "signal", signal: command.signal, result: command.result });
}

export function cancelOther({ step, command }: CommandStep<"cancel">): void {
  const target = findById(step, command.invocationId);
  if (target !== undefined) cancel(step, target);
}

export function attach({ step, invocation, command, covered }: CommandStep<"attach">): void {
  if (covered) return;
  const target = findById(step, command.invocationId);
  if (target === undefined) {
    const parts = parseInvocationId(command.invocationId);
    const none = { code: 404, message: `invocation not found: ${command.invocationId}` };
    const { code, message } = (parts && quarantineOf(step, parts.sequence)) ?? none;
    const failure = terminal(code, message);
    answer(step, invocation, command.completionId, { kind: "failure", failure });
    return;
  }
  attachTo(step, invocation, command.completionId, target);
}

function findById(step: Step, id: InvocationId): Invocation | undefined {
  const parts = parseInvocationId(id);
  return parts && find(step, parts);
}
