/** State of a key: written in the order of the commands, read as it stands then. */
import { answer } from "../deliver.ts";
import type { Invocation } from "../invocation.ts";
import { parseName, prefixEnd, stateKey, statePrefix, utf8 } from "../keys.ts";
import { sendStateAlong } from "../state-along.ts";
import { forgetStateBytes, keepStateBytes, stateChange } from "../state-size.ts";
import { forgetStateRead, stateValue } from "../state-value.ts";
import type { Step } from "../step.ts";
import type { CommandStep } from "./apply-command.ts";

const BATCH = 256;

export function getState(it: CommandStep<"get-state">): void {
  const { step, attempt, invocation, command } = it;
  const { service, key } = invocation.target;
  sendStateAlong(step, attempt, command.key);
  const value = key === null ? undefined : stateValue(step, service, key, command.key);
  answer(
    step,
    invocation,
    command.completionId,
    value === undefined ? { kind: "void" } : { kind: "value", value },
  );
}

export function getStateKeys({ step, invocation, command }: CommandStep<"get-state-keys">): void {
  const keys = [...stateRowKeys(step, invocation)].map((row) => row.name);
  answer(step, invocation, command.completionId, { kind: "state-keys", keys });
}

export function setState({ step, attempt, command }: CommandStep<"set-state">): void {
  const { service, key } = attempt.invocation.target;
  if (key === null) return;
  const { bytes, change } = stateChange(step, attempt, command.key, command.value);
  forgetStateRead(step);
  step.tx.put(stateKey(service, key, command.key), command.value);
  step.memory.keys.setState(service, key, utf8(command.key), command.value);
  keepStateBytes(step, attempt, bytes + change);
}

export function clearState({ step, attempt, command }: CommandStep<"clear-state">): void {
  const { service, key } = attempt.invocation.target;
  if (key === null) return;
  const { bytes, change } = stateChange(step, attempt, command.key, undefined);
  forgetStateRead(step);
  step.tx.remove(stateKey(service, key, command.key));
  step.memory.keys.setState(service, key, utf8(command.key), undefined);
  keepStateBytes(step, attempt, bytes + change);
}

export function clearAllState(it: CommandStep<"clear-all-state">): void {
  const { step, attempt, invocation } = it;
  const { service, key } = invocation.target;
  if (key === null) return;
  forgetStateRead(step);
  step.memory.keys.forgetState(service, key);
  for (const { rowKey } of [...stateRowKeys(step, invocation)]) step.tx.remove(rowKey);
  forgetStateBytes(step, attempt);
}

function* stateRowKeys(
  step: Step,
  invocation: Invocation,
): Generator<{ readonly rowKey: string; readonly name: string }> {
  const { service, key } = invocation.target;
  if (key === null) return;
  const prefix = statePrefix(service, key);
  const to = prefixEnd(prefix);
  let from = prefix;
  for (;;) {
    const rows = step.tx.range({ from, to, limit: BATCH });
    for (const [rowKey] of rows) {
      yield { rowKey, name: parseName(rowKey, prefix.length) };
      from = `${rowKey}\0`;
    }
    if (rows.length < BATCH) return;
  }
}
