/**
 * Durable promises of a workflow: completed once, by any of its handlers; kept with its state.
 */
import type { Result } from "../../../protocol/payload.ts";
import { addPending, answer, asCompletion, complete } from "../deliver.ts";
import type { Invocation } from "../invocation.ts";
import {
  prefixEnd,
  promiseKey,
  promiseWaiterKey,
  promiseWaiterPrefix,
  readU32,
  readU48,
} from "../keys.ts";
import { decodeResult, encodeResult } from "../rows.ts";
import { load, type Step } from "../step.ts";
import type { CommandStep } from "./apply-command.ts";
import { terminal } from "./calls.ts";

const EMPTY = new Uint8Array(0);
const BATCH = 256;

export function getPromise({
  step,
  invocation,
  command,
  covered,
}: CommandStep<"get-promise">): void {
  if (covered) return;
  const { completionId, promise } = command;
  const result = readPromise(step, invocation, promise);
  if (result) {
    answer(step, invocation, completionId, asCompletion(result));
    return;
  }
  const at = addressOf(invocation, promise);
  step.tx.insert(promiseWaiterKey(at, invocation.sequence, completionId), EMPTY);
  addPending(step, invocation, completionId, { kind: "promise", name: promise });
}

export function peekPromise({ step, invocation, command }: CommandStep<"peek-promise">): void {
  const result = readPromise(step, invocation, command.promise);
  const completion = result ? asCompletion(result) : ({ kind: "void" } as const);
  answer(step, invocation, command.completionId, completion);
}

export function completePromise(it: CommandStep<"complete-promise">): void {
  const { step, invocation, command } = it;
  if (readPromise(step, invocation, command.promise)) {
    const failure = terminal(409, "promise was already completed");
    answer(step, invocation, command.completionId, { kind: "failure", failure });
    return;
  }
  const at = addressOf(invocation, command.promise);
  step.tx.insert(promiseKey(at.service, at.key, at.name), encodeResult(command.result));
  answer(step, invocation, command.completionId, { kind: "void" });
  tellWaiters(step, at, command.result);
}

interface Address {
  readonly service: string;
  readonly key: string;
  readonly name: string;
}

function tellWaiters(step: Step, at: Address, result: Result): void {
  const prefix = promiseWaiterPrefix(at.service, at.key, at.name);
  for (;;) {
    const rows = step.tx.range({ from: prefix, to: prefixEnd(prefix), limit: BATCH });
    for (const [key] of rows) {
      step.tx.remove(key);
      const waiting = load(step, readU48(key, prefix.length));
      if (waiting) complete(step, waiting, readU32(key, prefix.length + 6), asCompletion(result));
    }
    if (rows.length < BATCH) return;
  }
}

function readPromise(step: Step, invocation: Invocation, name: string): Result | undefined {
  const at = addressOf(invocation, name);
  const row = step.tx.get(promiseKey(at.service, at.key, at.name));
  return row && decodeResult(row);
}

function addressOf({ target }: Invocation, name: string): Address {
  return { service: target.service, key: target.key ?? "", name };
}
