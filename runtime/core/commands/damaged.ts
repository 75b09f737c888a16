/**
 * Rows that a command needs and that are damaged: found before anything of it is recorded. Its
 * attempt fails and names the row; another one asks again, by the retry policy.
 */
import type { Command } from "../../../protocol/command.ts";
import type { Failure } from "../../../protocol/failure.ts";
import { damagedFailure, damageOf, tryRead } from "../damage.ts";
import { findChild } from "../journal.ts";
import { promiseKey } from "../keys.ts";
import { stateValue } from "../state-value.ts";
import type { Attempt, Step } from "../step.ts";
import { DamagedRowError } from "../tx.ts";

export function damagedBy(step: Step, attempt: Attempt, command: Command): Failure | undefined {
  const problem = problemOf(step, attempt, command);
  return problem === undefined ? undefined : damagedFailure(problem);
}

function problemOf(step: Step, { invocation }: Attempt, command: Command): string | undefined {
  const { tx } = step;
  const { service, key } = invocation.target;
  switch (command.kind) {
    case "get-state":
    // What is overwritten or cleared was counted, and of a damaged row the size is not known any more.
    case "set-state":
    case "clear-state":
      return key === null ? undefined : damageOf(stateValue(step, service, key, command.key));
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
