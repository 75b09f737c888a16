/** Calls and sends: another invocation, created in the step that records the command. */
import { FailureCode, type Failure } from "../../../protocol/failure.ts";
import type { Result } from "../../../protocol/payload.ts";
import { admit, type Admitted } from "../admit.ts";
import { damagedRefusal, quarantineOf, tryRead } from "../damage.ts";
import { addPending, answer, asCompletion } from "../deliver.ts";
import { nextSequence } from "../inbox.ts";
import { invocationIdOf, type Invocation } from "../invocation.ts";
import { readOutcome } from "../history.ts";
import { findChild } from "../journal.ts";
import { waiterKey, type Sequence } from "../keys.ts";
import { encodeNumber } from "../rows.ts";
import { childEntropy } from "../seed.ts";
import { changed, load, type Step } from "../step.ts";
import { DamagedRowError } from "../tx.ts";
import { refused } from "./command-limits.ts";
import type { CommandStep } from "./apply-command.ts";

const nothing = (): void => undefined;

/** What a call or send has led to: its journal entry names the child, and what follows comes after it. */
export interface Created {
  readonly child: Sequence | null;
  readonly afterwards: () => void;
}

/** For now: the attempt fails, and another one asks again. */
export interface Refused {
  readonly refusal: Failure;
}

export function call(it: CommandStep<"call">): Created | Refused {
  const { step, invocation, command, covered } = it;
  const { completionId } = command;
  // A cancelled call that arrives late is never started: nobody waits for it.
  if (covered) return { child: null, afterwards: nothing };
  const parent = { sequence: invocation.sequence, completionId };
  const admitted = admitChild(it, { delayMs: 0, parent });
  const fail = (failure: Failure) => (): void =>
    answer(step, invocation, completionId, { kind: "failure", failure });
  if (admitted.kind === "refused") {
    // No room is no answer to a call: it fails for good only for what asking again cannot mend.
    if (isForNow(admitted.code)) return { refusal: refused(admitted.code, admitted.message) };
    return { child: null, afterwards: fail(terminal(admitted.code, admitted.message)) };
  }
  const child = admitted.invocation;
  if (admitted.kind === "created") {
    const pending = { kind: "call", child: child.sequence } as const;
    const afterwards = (): void => addPending(step, invocation, completionId, pending);
    return { child: child.sequence, afterwards };
  }
  const afterwards = admitted.byWorkflowKey
    ? fail(terminal(409, "the workflow method was already invoked"))
    : (): void => attachTo(step, invocation, completionId, child);
  return { child: child.sequence, afterwards };
}

/** Nobody waits for a send, so nobody would notice that it is lost: refused, it fails its attempt. */
export function send(it: CommandStep<"send">): Created | Refused {
  const admitted = admitChild(it, { delayMs: it.command.delayMs, parent: null });
  if (admitted.kind !== "refused") {
    return { child: admitted.invocation.sequence, afterwards: nothing };
  }
  return { refusal: refused(admitted.code, admitted.message) };
}

function isForNow(code: number): boolean {
  return code === FailureCode.tooMany || code === FailureCode.unavailable;
}

export function invocationId(it: CommandStep<"invocation-id">): void {
  const { step, invocation, command } = it;
  const sequence = findChild(step.tx, invocation, command.of)?.child ?? undefined;
  const child = sequence === undefined ? undefined : load(step, sequence);
  if (child === undefined || child.purging) {
    const quarantine = sequence === undefined ? undefined : quarantineOf(step, sequence);
    const none = { code: 404, message: `command ${command.of} has created no invocation` };
    const { code, message } = quarantine ?? none;
    const failure = terminal(code, message);
    answer(step, invocation, command.completionId, { kind: "failure", failure });
    return;
  }
  const id = invocationIdOf(child);
  answer(step, invocation, command.completionId, { kind: "invocation-id", invocationId: id });
}

/** Waits for the outcome of any invocation; one that has ended answers at once. */
export function attachTo(
  step: Step,
  invocation: Invocation,
  completionId: number,
  target: Invocation,
): void {
  const outcome = tryRead(() => readOutcome(step.tx, target));
  if (outcome !== undefined) {
    const result: Result =
      outcome instanceof DamagedRowError ? unreadable(outcome) : outcome.result;
    answer(step, invocation, completionId, asCompletion(result));
    return;
  }
  // Its age among calls and attaches: the youngest of a deadlock fails.
  const order = encodeNumber(nextSequence(step));
  target.waitedFor = true;
  changed(step, target);
  step.tx.insert(waiterKey(target.sequence, invocation.sequence, completionId), order);
  addPending(step, invocation, completionId, { kind: "attach", target: target.sequence });
}

/** It has ended, and nobody knows how: asking again changes nothing. */
function unreadable(damage: DamagedRowError): Result {
  const { code, message } = damagedRefusal(damage);
  return { ok: false, failure: terminal(code, message) };
}

export function terminal(code: number, message: string): Failure {
  return { name: "TerminalError", message, code };
}

function admitChild(
  { step, invocation, command }: CommandStep<"call"> | CommandStep<"send">,
  { delayMs, parent }: { readonly delayMs: number; readonly parent: Invocation["parent"] },
): Admitted {
  const { target, parameter, headers, idempotencyKey, index } = command;
  const entropy = childEntropy(invocation.seed, index);
  const external = false;
  return admit(step, {
    target,
    parameter,
    headers,
    idempotencyKey,
    delayMs,
    entropy,
    parent,
    external,
  });
}
