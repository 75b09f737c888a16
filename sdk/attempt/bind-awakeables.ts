import {
  formatAwakeableId,
  parseAwakeableId,
  parseInvocationId,
  type AwakeableId,
} from "../../protocol/ids.ts";
import { assert } from "../../protocol/assert.ts";
import type { Start } from "../../protocol/message.ts";
import type { WorkflowContext } from "../context.ts";
import { toFailure } from "../failure.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { asTerminal, readValue, typed } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";

export type Awakeables = Pick<
  WorkflowContext,
  "awakeable" | "resolveAwakeable" | "rejectAwakeable"
>;

export function bindAwakeables(
  recorder: Recorder,
  start: Start,
  defaultSerde: Serde<unknown>,
): Awakeables {
  return {
    awakeable: <T>(serde?: Serde<T>) => {
      const read = readValue(serde ?? typed<T>(defaultSerde));
      const { promise, command } = recorder.ask({ kind: "awakeable", name: "" }, read);
      // Nothing was recorded (cancelled, or over): no one can complete it, so any id will do.
      const completionId = command?.kind === "awakeable" ? command.completionId : 0;
      const invocation = parseInvocationId(start.invocationId);
      assert(invocation !== undefined, `${start.invocationId} is an invocation id`);
      return { id: formatAwakeableId({ invocation, completionId }), promise };
    },
    resolveAwakeable: <T>(id: string, payload?: T, serde?: Serde<T>) => {
      const value = encode(serde ?? typed<T>(defaultSerde), payload as T); // left out: for T that takes undefined
      const result = { ok: true, value } as const;
      const awakeableId = requireAwakeableId(id);
      recorder.tell({ kind: "complete-awakeable", name: "", awakeableId, result });
    },
    rejectAwakeable: (id, reason) => {
      const result = { ok: false, failure: toFailure(asTerminal(reason)) } as const;
      const awakeableId = requireAwakeableId(id);
      recorder.tell({ kind: "complete-awakeable", name: "", awakeableId, result });
    },
  };
}

function requireAwakeableId(text: string): AwakeableId {
  if (parseAwakeableId(text) === undefined) {
    throw new TypeError(`not an awakeable id: ${JSON.stringify(text)}; it looks like sign_...`);
  }
  return text as AwakeableId; // it parses
}
