/**
 * The context that a handler gets: each call one line through the recorder. What the calls mean to
 * users stands in ../context.ts.
 */
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { Start } from "../../protocol/message.ts";
import type { InvocationReference, SignalReference, WorkflowContext } from "../context.ts";
import type { RegisteredHandler } from "../definition.ts";
import { type Duration, durationToMs } from "../duration.ts";
import { toFailure } from "../failure.ts";
import type { ContextPromise } from "../promise.ts";
import type { ContextDate, Request } from "../request.ts";
import type { Serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { bindAwakeables } from "./bind-awakeables.ts";
import { bindCalls } from "./bind-calls.ts";
import { bindPromises } from "./bind-promises.ts";
import { bindRun } from "./bind-run.ts";
import { bindState } from "./bind-state.ts";
import type { ReplayMachine } from "./machine.ts";
import { makeRand } from "./rand.ts";
import { asTerminal, readValue, typed, unexpected } from "./read-value.ts";
import { Recorder, type Read } from "./recorder.ts";
import { replayConsole } from "./replay-console.ts";
import type { RunExecutor } from "./run-executor.ts";
import type { StateView } from "./state-view.ts";

export interface ContextParts {
  readonly start: Start;
  readonly state: StateView;
  readonly handler: RegisteredHandler;
  readonly machine: ReplayMachine;
  readonly runs: RunExecutor;
  readonly payloadBytesMax: number;
  /** Aborts when the attempt is over. Made when it is asked for. */
  readonly attemptSignal: () => AbortSignal;
}

/** Every context is this one; the types of ../context.ts say which part a handler may use. */
export function bindContext(parts: ContextParts): WorkflowContext {
  const { start, handler, machine } = parts;
  const recorder = new Recorder(machine, parts.payloadBytesMax);
  const serde = handler.serde;
  const state = bindState({
    recorder,
    start,
    view: parts.state,
    serde,
    shared: handler.mode === "shared",
  });
  const calls = bindCalls(recorder);
  const awakeables = bindAwakeables(recorder, start, serde);
  const promises = bindPromises(recorder, serde);
  const others = bindOthers(recorder, serde);
  // Member by member: spreading five objects into one took a fifth of an attempt's time.
  return {
    key: state.key,
    get: state.get,
    set: state.set,
    clear: state.clear,
    clearAll: state.clearAll,
    stateKeys: state.stateKeys,
    serviceClient: calls.serviceClient,
    objectClient: calls.objectClient,
    workflowClient: calls.workflowClient,
    serviceSendClient: calls.serviceSendClient,
    objectSendClient: calls.objectSendClient,
    workflowSendClient: calls.workflowSendClient,
    genericCall: calls.genericCall,
    genericSend: calls.genericSend,
    awakeable: awakeables.awakeable,
    resolveAwakeable: awakeables.resolveAwakeable,
    rejectAwakeable: awakeables.rejectAwakeable,
    promise: <T>(name: string, own?: Serde<T>) => promises.promise(name, own),
    signal: others.signal,
    invocation: others.invocation,
    attach: others.attach,
    cancel: others.cancel,
    run: bindRun({ recorder, runs: parts.runs, serde }),
    sleep: (duration: Duration, name = "") =>
      recorder.ask<void>(
        { kind: "sleep", name, durationMs: durationToMs(duration, "the duration of ctx.sleep") },
        () => undefined,
      ).promise,
    request: () => requestOf(start, parts.attemptSignal()),
    rand: makeRand(start.seed),
    date: bindDate(recorder),
    patched: (id) => recorder.patched(requirePatchId(id)),
    console: replayConsole(recorder),
  };
}

type Others = Pick<WorkflowContext, "signal" | "invocation" | "attach" | "cancel">;

function bindOthers(recorder: Recorder, defaultSerde: Serde<unknown>): Others {
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

function bindDate(recorder: Recorder): ContextDate {
  const now = (): Promise<number> =>
    recorder.ask<number>({ kind: "date", name: "" }, readTime, {
      here: () => ({ kind: "date-here", name: "", timeMs: Date.now() }),
      // What a closure could see of it must not be undone by a crash.
      durableOnly: true,
    }).promise;
  return { now, toJSON: async () => new Date(await now()).toJSON() };
}

const readTime: Read<number> = (result) => {
  if (result.kind !== "time") throw unexpected(result);
  return result.timeMs;
};

function requestOf(start: Start, attemptCompletedSignal: AbortSignal): Request {
  return {
    id: start.invocationId,
    target: start.target,
    headers: new Map(start.headers),
    body: start.input,
    idempotencyKey: start.idempotencyKey ?? undefined,
    attemptCompletedSignal,
  };
}

function requirePatchId(id: unknown): string {
  if (typeof id === "string" && id !== "") return id;
  throw new TypeError('ctx.patched takes the id of the change: ctx.patched("refund-by-card")');
}

function requireId(text: string): InvocationId {
  if (parseInvocationId(text) === undefined) {
    throw new TypeError(`not an invocation id: ${JSON.stringify(text)}; it looks like inv_...`);
  }
  return text as InvocationId; // it parses
}
