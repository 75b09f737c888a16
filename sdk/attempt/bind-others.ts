import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { InvocationReference, SignalReference, WorkflowContext } from "../context.ts";
import { toFailure } from "../failure.ts";
import type { ContextPromise } from "../promise.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { asTerminal, readValue, typed } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";

export type Others = Pick<WorkflowContext, "signal" | "invocation" | "attach" | "cancel">;

/** What other invocations are told, and what they tell. */
export function bindOthers(recorder: Recorder, defaultSerde: Serde<unknown>): Others {
  const attach = <T>(id: string, serde?: Serde<T>): ContextPromise<T> => {
    const draft = { kind: "attach", name: "", invocationId: requireId(id) } as const;
    return recorder.ask(draft, readValue(serde ?? typed<T>(defaultSerde))).promise;
  };
  const cancel = (id: string): void => {
    recorder.tell({ kind: "cancel", name: "", invocationId: requireId(id) });
  };
  const signalOf = <T>(id: InvocationId, signal: string, serde: Serde<T>): SignalReference<T> => ({
    resolve: (payload) => {
      const result = { ok: true, value: encode(serde, payload as T) } as const; // left out: for T that takes undefined
      recorder.tell({ kind: "send-signal", name: "", invocationId: id, signal, result });
    },
    reject: (reason) => {
      const result = { ok: false, failure: toFailure(asTerminal(reason)) } as const;
      recorder.tell({ kind: "send-signal", name: "", invocationId: id, signal, result });
    },
  });
  return {
    attach,
    cancel,
    signal: <T>(name: string, serde?: Serde<T>) =>
      recorder.ask(
        { kind: "await-signal", name: "", signal: name },
        readValue(serde ?? typed<T>(defaultSerde)),
      ).promise,
    invocation: (text): InvocationReference => {
      const id = requireId(text);
      return {
        id,
        signal: <T>(name: string, serde?: Serde<T>) =>
          signalOf(id, name, serde ?? typed<T>(defaultSerde)),
        attach: <T>(serde?: Serde<T>) => attach(id, serde),
        cancel: () => cancel(id),
      };
    },
  };
}

function requireId(text: string): InvocationId {
  if (parseInvocationId(text) === undefined) {
    throw new TypeError(`not an invocation id: ${JSON.stringify(text)}; it looks like inv_...`);
  }
  return text as InvocationId; // it parses
}
