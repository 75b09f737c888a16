import type { CompletionResult, Command } from "../../protocol/command.ts";
import type { WorkflowContext } from "../context.ts";
import type { RegisteredHandler } from "../definition.ts";
import { fromFailure } from "../failure.ts";
import type { ContextPromise } from "../promise.ts";
import type { RunAction, RunOptions } from "../run.ts";
import { decode } from "../serde/encode.ts";
import { readValue } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";
import type { RunExecutor } from "./run-executor.ts";
import { modeOf, retryOf } from "./run-options.ts";

export interface RunParts {
  readonly runs: RunExecutor;
  readonly handler: Pick<RegisteredHandler, "serde">;
}

type Action = RunAction<unknown>;
type Options = RunOptions<unknown>;

export function bindRun(
  recorder: Recorder,
  { runs, handler: { serde } }: RunParts,
): WorkflowContext["run"] {
  return (
    nameOrAction: string | Action,
    actionOrOptions?: Action | Options,
    last?: Options,
  ): ContextPromise<unknown> => {
    const { name, action, options } = argumentsOf(nameOrAction, actionOrOptions, last);
    const own = options.serde ?? serde;
    const read = (result: CompletionResult, command: Command): unknown => {
      const proposal = runs.takeProposal(command.index);
      if (result.kind !== "proposed") return readValue(own)(result, command);
      if (proposal === undefined) throw new Error(`run ${command.index} proposed nothing`);
      if (!proposal.ok) throw fromFailure(proposal.failure);
      return decode(own, proposal.value);
    };
    const draft = { kind: "run", name, retry: retryOf(options), mode: modeOf(options) } as const;
    // A failure that was recorded is given back without a proposal being taken.
    const failed = (of: Command): void => runs.forget(of.index);
    const { promise, command } = recorder.ask(draft, read, { failed });
    const { probe } = options;
    if (command) runs.add({ command: command.index, name, action, probe, serde: own });
    return promise;
  };
}

function argumentsOf(
  nameOrAction: string | Action,
  actionOrOptions: Action | Options | undefined,
  last: Options | undefined,
): { readonly name: string; readonly action: Action; readonly options: Options } {
  const named = typeof nameOrAction === "string";
  const action = named ? actionOrOptions : nameOrAction;
  const options = (named ? last : actionOrOptions) ?? {};
  if (typeof action !== "function") {
    throw new TypeError("ctx.run takes a function: ctx.run(name, () => ..., options)");
  }
  if (typeof options === "function") {
    throw new TypeError("ctx.run takes one function: ctx.run(name, () => ..., options)");
  }
  return { name: named ? nameOrAction : "", action, options };
}
