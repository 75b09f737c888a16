/**
 * What a command may hold and what it may add, checked before anything of it is recorded. An SDK
 * checks the sizes before it issues one; this is the guard against a worker that does not.
 *
 * A command that is refused ends its attempt, not its invocation: nothing is lost, and the policy
 * says when the next attempt comes.
 */
import type { Command } from "../../../protocol/command.ts";
import { FailureCode, type Failure } from "../../../protocol/failure.ts";
import { parseInvocationId } from "../../../protocol/ids.ts";
import type { AttemptMessage } from "../../../protocol/message.ts";
import type { Result } from "../../../protocol/payload.ts";
import { messageBytesMax } from "../../../protocol/wire-limits.ts";
import type { Invocation } from "../invocation.ts";
import { journalRowBytesMax } from "../journal.ts";
import { utf8 } from "../keys.ts";
import type { Limits } from "../limits.ts";
import { stateBytes, stateChange } from "../state-size.ts";
import { find, type Attempt, type Step } from "../step.ts";

/** What is too large or too much; undefined when nothing is. */
export function excessOf(step: Step, attempt: Attempt, command: Command): Failure | undefined {
  const tooLarge =
    sizeExcess(step.memory.limits, command) ??
    stateExcess(step, attempt, command) ??
    journalExcess(step, attempt.invocation, command);
  if (tooLarge !== undefined) return refused(FailureCode.payloadTooLarge, tooLarge);
  const tooMany = signalExcess(step, command);
  return tooMany === undefined ? undefined : refused(FailureCode.tooMany, tooMany);
}

/** What an attempt ends with, or a run: an SDK refuses a larger one itself. */
export function resultExcess(limits: Limits, message: AttemptMessage): Failure | undefined {
  if (message.kind !== "end" && message.kind !== "run-result") return undefined;
  const excess = payloadExcess("a result", message.result, limits);
  return excess === undefined ? undefined : refused(FailureCode.payloadTooLarge, excess);
}

/** As the attempt's failure: it goes on by its retry policy. */
export function refused(code: number, reason: string): Failure {
  return { name: "Error", message: `${reason}; nothing of it was recorded`, code };
}

function sizeExcess(limits: Limits, command: Command): string | undefined {
  switch (command.kind) {
    case "set-state": {
      const sizeBytes = command.value.length;
      const named = nameExcess("state value", command.key, limits);
      if (named !== undefined || sizeBytes <= limits.stateValueBytesMax) return named;
      return `a state value has ${sizeBytes} bytes, the limit stateValueBytesMax is ${limits.stateValueBytesMax}`;
    }
    case "complete-awakeable":
      return payloadExcess("a result", command.result, limits);
    case "send-signal":
      return payloadExcess("a signal", command.result, limits);
    case "complete-promise":
      return (
        nameExcess("promise", command.promise, limits) ??
        payloadExcess("a result", command.result, limits)
      );
    case "sleep":
      return delayExcess("a sleep", command.durationMs, limits);
    case "send":
      return delayExcess("a delayed send", command.delayMs, limits);
    case "get-state":
    case "clear-state":
      return nameExcess("state value", command.key, limits);
    case "get-promise":
    case "peek-promise":
      return nameExcess("promise", command.promise, limits);
    case "patched":
      return nameExcess("patch", command.patch, limits);
    default:
      return undefined;
  }
}

function payloadExcess(what: string, result: Result, limits: Limits): string | undefined {
  const sizeBytes = result.ok ? result.value.length : 0;
  if (sizeBytes <= limits.payloadBytesMax) return undefined;
  return `${what} has ${sizeBytes} bytes, the limit payloadBytesMax is ${limits.payloadBytesMax}`;
}

/** Never made shorter: it would fire before its time. */
function delayExcess(what: string, delayMs: number, limits: Limits): string | undefined {
  if (delayMs <= limits.delayMsMax) return undefined;
  return `${what} of ${delayMs} ms, the limit delayMsMax is ${limits.delayMsMax}`;
}

function nameExcess(of: string, name: string, limits: Limits): string | undefined {
  const sizeBytes = utf8(name).length;
  if (sizeBytes <= limits.stateKeyBytesMax) return undefined;
  return `the name of a ${of} has ${sizeBytes} bytes, the limit stateKeyBytesMax is ${limits.stateKeyBytesMax}`;
}

/** Growing beyond the limit is refused; a state that is beyond it may shrink. */
function stateExcess(step: Step, attempt: Attempt, command: Command): string | undefined {
  if (command.kind !== "set-state") return undefined;
  const { stateBytesMax } = step.memory.limits;
  const atMost = stateBytes(step, attempt) + utf8(command.key).length + command.value.length;
  if (atMost <= stateBytesMax) return undefined;
  const { bytes, change } = stateChange(step, attempt, command.key, command.value);
  if (change <= 0 || bytes + change <= stateBytesMax) return undefined;
  const { service, key } = attempt.invocation.target;
  return `the state of ${service}/${key ?? ""} would have ${bytes + change} bytes, the limit stateBytesMax is ${stateBytesMax}: clear what is not needed, or raise the limit`;
}

/** What is outstanding will add an entry each: that is counted ahead, and never refused later. */
function journalExcess(step: Step, invocation: Invocation, command: Command): string | undefined {
  const { journalEntriesMax, journalBytesMax, payloadBytesMax } = step.memory.limits;
  const advice = "split the work over several invocations, or raise the limit";
  const completes = "completionId" in command && command.kind !== "withdraw";
  const entries = entriesOf(invocation) + (completes ? 2 : 1);
  if (entries > journalEntriesMax) {
    return `the journal would have ${entries} entries, those of what is outstanding included; the limit journalEntriesMax is ${journalEntriesMax}: ${advice}`;
  }
  // No message is larger than this, so that most need not be measured.
  const atMost = invocation.journalBytes + messageBytesMax(payloadBytesMax);
  if (atMost <= journalBytesMax) return undefined;
  const bytes = invocation.journalBytes + journalRowBytesMax(step, command);
  if (bytes <= journalBytesMax) return undefined;
  return `the journal would have ${bytes} bytes, the limit journalBytesMax is ${journalBytesMax}: ${advice}`;
}

function entriesOf({ commands, deliveries, pending, runs }: Invocation): number {
  return commands + deliveries + pending + runs;
}

function signalExcess(step: Step, command: Command): string | undefined {
  if (command.kind !== "send-signal") return undefined;
  const parts = parseInvocationId(command.invocationId);
  const target = parts && find(step, parts);
  if (target === undefined || target.status === "completed") return undefined;
  const { signalsMax, journalEntriesMax } = step.memory.limits;
  if (target.signalsKept >= signalsMax) {
    return `${command.invocationId} has ${target.signalsKept} signals that it has not awaited, the limit signalsMax is ${signalsMax}: try again later`;
  }
  if (entriesOf(target) < journalEntriesMax) return undefined;
  return `the journal of ${command.invocationId} has ${entriesOf(target)} entries, those of what is outstanding included; the limit journalEntriesMax is ${journalEntriesMax}`;
}
