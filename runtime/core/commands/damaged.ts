/**
 * Rows that a command needs and that are damaged: found before anything of it is recorded. Its
 * attempt fails and names the row; another one asks again, by the retry policy.
 */
import type { Command } from "../../../protocol/command.ts";
import type { Failure } from "../../../protocol/failure.ts";
import { damagedFailure, damageOf, tryRead } from "../damage.ts";
import { findChild } from "../journal.ts";
import { promiseKey, utf8 } from "../keys.ts";
import { stateValue } from "../state-value.ts";
import type { Attempt, Step } from "../step.ts";
import { DamagedRowError } from "../tx.ts";

export function damagedBy(step: Step, attempt: Attempt, command: Command): Failure | undefined {
  const problem = problemOf(step, attempt, command);
  return problem === undefined ? undefined : damagedFailure(problem);
}

function isSizeKnown({ memory }: Step, service: string, key: string, name: string): boolean {
  return memory.keys.largeBytesOf(service, key, utf8(name)) !== undefined;
}

function problemOf(step: Step, { invocation }: Attempt, command: Command): string | undefined {
  const { tx } = step;
  const { service, key } = invocation.target;
  switch (command.kind) {
    case "get-state":
      return key === null ? undefined : damageOf(stateValue(step, service, key, command.key));
    // What is overwritten or cleared was counted, and of a damaged row the size is not known any more.
    case "set-state":
    case "clear-state":
      if (key === null || isSizeKnown(step, service, key, command.key)) return undefined;
      return damageOf(stateValue(step, service, key, command.key));
    case "get-promise":
    case "peek-promise":
    case "complete-promise":
      return damageOf(tx.get(promiseKey(service, key ?? "", command.promise)));
    case "invocation-id": {
      const child = tryRead(() => findChild(tx, invocation, command.of));
      return child instanceof DamagedRowError ? child.message : undefined;
    }
    default:
      return undefined;
  }
}
