import type { Command, CompletionResult, Header, Target } from "../../protocol/command.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import type { GenericCall, GenericSend } from "../client-types.ts";
import type { WorkflowContext } from "../context.ts";
import { durationToMs } from "../duration.ts";
import type { InvocationHandle, InvocationPromise } from "../promise.ts";
import { makeClient, type RpcRequest } from "../rpc.ts";
import { type Serde, serde } from "../serde.ts";
import { encode } from "../serde/encode.ts";
import { requireWellFormed } from "../text.ts";
import { readValue, typed, unexpected } from "./read-value.ts";
import type { Recorder } from "./recorder.ts";

export type Calls = Pick<
  WorkflowContext,
  | "serviceClient"
  | "objectClient"
  | "workflowClient"
  | "serviceSendClient"
  | "objectSendClient"
  | "workflowSendClient"
  | "genericCall"
  | "genericSend"
>;

export function bindCalls(recorder: Recorder): Calls {
  const call = (request: RpcRequest): InvocationPromise<unknown> => issueCall(recorder, request);
  const send = (request: RpcRequest): InvocationHandle => issueSend(recorder, request);
  const methods = {
    serviceClient: (definition: never) => makeClient("service", definition, undefined, call),
    objectClient: (definition: never, key: string) => makeClient("object", definition, key, call),
    workflowClient: (definition: never, key: string) =>
      makeClient("workflow", definition, key, call),
    serviceSendClient: (definition: never) => makeClient("service", definition, undefined, send),
    objectSendClient: (definition: never, key: string) =>
      makeClient("object", definition, key, send),
    workflowSendClient: (definition: never, key: string) =>
      makeClient("workflow", definition, key, send),
    genericCall: <I, O>(it: GenericCall<I, O>) =>
      issueCall(recorder, genericRequest(it)) as InvocationPromise<O>, // as the caller says
    genericSend: <I>(it: GenericSend<I>) => issueSend(recorder, genericRequest(it)),
  };
  // The proxies have the methods that the definitions' types say.
  return methods as unknown as Calls;
}

function genericRequest(it: GenericCall & GenericSend): RpcRequest {
  const fallback: Serde<unknown> =
    it.parameter instanceof Uint8Array ? typed<unknown>(serde.binary) : serde.json;
  const { idempotencyKey, headers, name, delay } = it;
  return {
    service: it.service,
    handler: it.method,
    key: it.key,
    parameter: it.parameter,
    input: it.inputSerde ?? fallback,
    output: it.outputSerde ?? fallback,
    options: {
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(headers === undefined ? {} : { headers }),
      ...(name === undefined ? {} : { name }),
      ...(delay === undefined ? {} : { delay }),
    },
  };
}

function issueCall(recorder: Recorder, request: RpcRequest): InvocationPromise<unknown> {
  const draft = Object.assign(fieldsOf(request), { kind: "call" } as const);
  const { promise, command } = recorder.ask(draft, readValue(request.output));
  return withInvocationId(promise, recorder, command);
}

function issueSend(recorder: Recorder, request: RpcRequest): InvocationHandle {
  const { delay } = request.options;
  const delayMs = delay === undefined ? 0 : durationToMs(delay, "the delay of a send");
  const command = recorder.tell(
    Object.assign(fieldsOf(request), { kind: "send", delayMs } as const),
  );
  return withInvocationId({}, recorder, command);
}

interface CallFields {
  readonly name: string;
  readonly target: Target;
  readonly parameter: Uint8Array;
  readonly headers: readonly Header[];
  readonly idempotencyKey: string | null;
}

function fieldsOf({ service, handler, key, parameter, input, options }: RpcRequest): CallFields {
  if (key !== undefined) requireWellFormed(key, `the key of ${service}`);
  const bytes = encode(input, parameter);
  const headers = Object.entries(options.headers ?? {}).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  );
  return {
    name: options.name ?? "",
    target: { service, handler, key: key ?? null },
    parameter: bytes,
    headers,
    idempotencyKey: options.idempotencyKey ?? null,
  };
}

/** The id is asked for when somebody looks at it: most never do, and it costs a delivery. */
function withInvocationId<T extends object>(
  target: T,
  recorder: Recorder,
  command: Command | undefined,
): T & InvocationHandle {
  let asked: Promise<InvocationId> | undefined;
  const ask = (): Promise<InvocationId> => {
    if (command === undefined) return new Promise(() => undefined);
    const draft = { kind: "invocation-id", name: "", of: command.index } as const;
    return recorder.ask(draft, readInvocationId).promise;
  };
  Object.defineProperty(target, "invocationId", {
    get: () => (asked ??= ask()),
    enumerable: false,
  });
  return target as T & InvocationHandle; // the property above
}

function readInvocationId(result: CompletionResult): InvocationId {
  if (result.kind !== "invocation-id") throw unexpected(result);
  return result.invocationId;
}
