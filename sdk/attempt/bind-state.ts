import type { CompletionResult } from "../../protocol/command.ts";
import type { WorkflowContext } from "../context.ts";
import type { RegisteredHandler } from "../definition.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { requireWellFormed } from "../text.ts";
import { readValue, unexpected } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";
import type { StateView } from "./state-view.ts";

export type StateMethods = Pick<
  WorkflowContext,
  "get" | "set" | "clear" | "clearAll" | "stateKeys"
>;

export interface StateParts {
  readonly state: StateView;
  readonly handler: Pick<RegisteredHandler, "mode" | "serde">;
}

export function bindState(
  recorder: Recorder,
  { state: view, handler: { mode, serde } }: StateParts,
): StateMethods {
  // A shared handler reads beside the exclusive one: what a closure could see of it must be durable.
  const durableOnly = mode === "shared";
  const methods = {
    get: (name: string, own: Serde<unknown> = serde) => {
      requireWellFormed(name, "the name of a state");
      const here = () => {
        const value = view.get(name);
        if (value === undefined) return undefined;
        return { kind: "get-state-here", name: "", key: name, value } as const;
      };
      const read = (result: CompletionResult): unknown =>
        result.kind === "void" ? null : readValue(own)(result, NO_COMMAND);
      const draft = { kind: "get-state", name: "", key: name } as const;
      return recorder.ask(draft, read, { here, durableOnly }).promise;
    },
    stateKeys: () => {
      const here = () => {
        const keys = view.keys();
        return keys && ({ kind: "get-state-keys-here", name: "", keys } as const);
      };
      const read = (result: CompletionResult): string[] => {
        if (result.kind !== "state-keys") throw unexpected(result);
        return [...result.keys];
      };
      const draft = { kind: "get-state-keys", name: "" } as const;
      return recorder.ask(draft, read, { here, durableOnly }).promise;
    },
    set: (name: string, value: unknown, own: Serde<unknown> = serde) => {
      requireWellFormed(name, "the name of a state");
      const bytes = encode(own, value);
      recorder.tell({ kind: "set-state", name: "", key: name, value: bytes });
      view.set(name, bytes);
    },
    clear: (name: string) => {
      requireWellFormed(name, "the name of a state");
      recorder.tell({ kind: "clear-state", name: "", key: name });
      view.set(name, null);
    },
    clearAll: () => {
      recorder.tell({ kind: "clear-all-state", name: "" });
      view.clearAll();
    },
  };
  // The typed signatures of the context are for users; here every value is unknown.
  return methods as unknown as StateMethods;
}

/** Reading a value does not look at the command. */
const NO_COMMAND = undefined as never;
