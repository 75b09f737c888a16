import type { CompletionResult, Command, RunRetryPolicy } from "../../protocol/command.ts";
import { durationToMs } from "../duration.ts";
import { fromFailure } from "../failure.ts";
import type { ContextPromise } from "../promise.ts";
import type { RunAction, RunOptions } from "../run.ts";
import type { Serde } from "../serde.ts";
import { readValue } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";
import type { RunExecutor } from "./run-executor.ts";

export interface RunParts {
  readonly recorder: Recorder;
  readonly runs: RunExecutor;
  readonly serde: Serde<unknown>;
}

type Action = RunAction<unknown>;
type Options = RunOptions<unknown>;

export function bindRun({ recorder, runs, serde }: RunParts) {
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
      return own.deserialize(proposal.value);
    };
    const draft = { kind: "run", name, retry: retryOf(options) } as const;
    const { promise, command } = recorder.ask(draft, read);
    if (command) {
      runs.add({ command: command.index, name, action, serde: own });
      // A failure that was recorded is given back without a proposal being taken.
      promise.catch(() => runs.forget(command.index));
    }
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

/** With none of the retry options the policy of the invocation rules. */
function retryOf(options: Options): RunRetryPolicy | null {
  const { maxRetryAttempts, maxRetryDuration, initialRetryInterval } = options;
  const { maxRetryInterval, retryIntervalFactor } = options;
  const set = [maxRetryAttempts, maxRetryDuration, initialRetryInterval, maxRetryInterval];
  if (set.every((it) => it === undefined) && retryIntervalFactor === undefined) return null;
  if (
    maxRetryAttempts !== undefined &&
    !(Number.isInteger(maxRetryAttempts) && maxRetryAttempts >= 1)
  ) {
    throw new RangeError(`maxRetryAttempts must be a whole number from 1, got ${maxRetryAttempts}`);
  }
  const factor = retryIntervalFactor ?? 2;
  if (!(Number.isFinite(factor) && factor >= 1)) {
    throw new RangeError(`retryIntervalFactor must be a number from 1, got ${factor}`);
  }
  return {
    initialIntervalMs: durationToMs(initialRetryInterval ?? 50, "initialRetryInterval"),
    factor,
    maxIntervalMs: durationToMs(maxRetryInterval ?? 10_000, "maxRetryInterval"),
    maxAttempts: maxRetryAttempts ?? null,
    maxDurationMs:
      maxRetryDuration === undefined ? null : durationToMs(maxRetryDuration, "maxRetryDuration"),
  };
}
