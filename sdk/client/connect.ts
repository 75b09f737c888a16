/**
 * `connect`: calls services from outside, over HTTP or in the runtime's own process. Names and meanings
 * as in restate-sdk-clients.
 */
import type { AwakeableId, InvocationId } from "../../protocol/ids.ts";
import type { AskIngress, IngressAnswer } from "../../protocol/in-process.ts";
import type {
  AnyDefinition,
  AnyObjectDefinition,
  AnyServiceDefinition,
  AnyWorkflowDefinition,
  HandlersOf,
} from "../definition.ts";
import { durationToMs } from "../duration.ts";
import { makeClient, serdesOf, type RpcRequest } from "../rpc.ts";
import { type Serde, serde as serdes } from "../serde.ts";
import type { IngressClient, IngressSendClient, IngressWorkflowClient } from "./client-types.ts";
import { fetchIngress } from "./fetch-ingress.ts";
import { request, type HttpOptions, type HttpRequest, type RetryPolicy } from "./http.ts";
import type { ClientCallOptions, ClientSendOptions } from "./options.ts";

export interface ConnectOptions {
  /** Of the ingress: "http://127.0.0.1:8080". */
  readonly url: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Retries of requests that can be repeated without harm. Default: none. */
  readonly retry?: boolean | RetryPolicy;
  readonly fetch?: typeof fetch;
}

/**
 * A runtime in this process, as `startRuntime` gives it: called without HTTP. All else is as over HTTP:
 * an answer waits for the disk, limits and errors are the same.
 */
export interface ConnectRuntime extends Omit<ConnectOptions, "url" | "fetch"> {
  readonly runtime: { readonly ingress: AskIngress };
}

/** What a send gave back. */
export interface Send<T = unknown> {
  readonly invocationId: InvocationId;
  readonly status: "Accepted" | "PreviouslyAccepted";
  /** Whether `result` finds it again after a crash of this client: it has an idempotency key. */
  readonly attachable: boolean;
  readonly output?: Serde<T>;
}

export interface Output<T> {
  readonly ready: boolean;
  /** @throws Error when it is not ready */
  readonly result: T;
}

export interface GenericClientCall<I = unknown, O = unknown> {
  readonly service: string;
  readonly handler: string;
  readonly parameter: I;
  readonly key?: string;
  readonly opts?: ClientCallOptions<I, O>;
}

/** Everything that can be asked of a runtime from outside. Errors: `HttpCallError`. */
export interface Ingress {
  serviceClient<D extends AnyServiceDefinition>(definition: D): IngressClient<HandlersOf<D>>;
  objectClient<D extends AnyObjectDefinition>(
    definition: D,
    key: string,
  ): IngressClient<HandlersOf<D>>;
  workflowClient<D extends AnyWorkflowDefinition>(
    definition: D,
    key: string,
  ): IngressWorkflowClient<HandlersOf<D>>;
  serviceSendClient<D extends AnyServiceDefinition>(
    definition: D,
  ): IngressSendClient<HandlersOf<D>>;
  objectSendClient<D extends AnyObjectDefinition>(
    definition: D,
    key: string,
  ): IngressSendClient<HandlersOf<D>>;
  call<I = unknown, O = unknown>(call: GenericClientCall<I, O>): Promise<O>;
  send<I = unknown>(
    send: Omit<GenericClientCall<I>, "opts"> & { readonly opts?: ClientSendOptions<I> },
  ): Promise<Send>;
  resolveAwakeable<T>(id: string, payload?: T, serde?: Serde<T>): Promise<void>;
  rejectAwakeable(id: string, reason: string): Promise<void>;
  /** Waits for the result of a send. */
  result<T>(send: Send<T> | { readonly invocationId: string }): Promise<T>;
}

/**
 * @example
 * const ingress = connect({ url: "http://127.0.0.1:8080" });
 * const total = await ingress.objectClient(counter, "ann").add(2);
 * @example
 * const ingress = connect({ runtime: await startRuntime({ dataDir, services: [counter] }) });
 */
export function connect(options: ConnectOptions | ConnectRuntime): Ingress {
  const http: HttpOptions = {
    ask:
      "runtime" in options
        ? options.runtime.ingress
        : fetchIngress(options.url, options.fetch ?? fetch),
    headers: options.headers,
    retry: options.retry === true ? {} : options.retry === false ? undefined : options.retry,
  };
  const call = (it: RpcRequest): Promise<unknown> => callOf(http, it);
  const send = (it: RpcRequest): Promise<Send> => sendOf(http, it);
  const clients = {
    serviceClient: (definition: AnyDefinition) =>
      makeClient("service", definition, undefined, call),
    objectClient: (definition: AnyDefinition, key: string) =>
      makeClient("object", definition, key, call),
    workflowClient: (definition: AnyDefinition, key: string) =>
      workflowClient(http, definition, key),
    serviceSendClient: (definition: AnyDefinition) =>
      makeClient("service", definition, undefined, send),
    objectSendClient: (definition: AnyDefinition, key: string) =>
      makeClient("object", definition, key, send),
  };
  return {
    // The proxies have the methods that the definitions' types say.
    ...(clients as unknown as Pick<Ingress, keyof typeof clients>),
    call: <I, O>(it: GenericClientCall<I, O>) => callOf(http, genericRequest(it)) as Promise<O>, // as the caller says
    send: (it) => sendOf(http, genericRequest(it)),
    resolveAwakeable: async <T>(id: string, payload?: T, serde?: Serde<T>) => {
      const body = (serde ?? serdes.json).serialize(payload as T); // left out: for T that takes undefined
      await completeAwakeable(http, id as AwakeableId, "resolve", body);
    },
    rejectAwakeable: async (id, reason) => {
      const body = new TextEncoder().encode(reason);
      await completeAwakeable(http, id as AwakeableId, "reject", body);
    },
    result: async <T>(it: Send<T> | { readonly invocationId: string }) => {
      const path = `/restate/invocation/${encodeURIComponent(it.invocationId)}/attach`;
      const output = "output" in it ? it.output : undefined;
      return await request(http, { method: "GET", path, repeatable: true }, ({ body }) =>
        output === undefined ? serdes.json.deserialize<T>(body) : output.deserialize(body),
      );
    },
  };
}

interface AnyCall {
  readonly service: string;
  readonly handler: string;
  readonly parameter: unknown;
  readonly key?: string;
  readonly opts?: object;
}

function genericRequest(it: AnyCall): RpcRequest {
  const options = (it.opts ?? {}) as RpcRequest["options"]; // the same members
  return {
    service: it.service,
    handler: it.handler,
    key: it.key,
    parameter: it.parameter,
    input: options.input ?? serdes.json,
    output: options.output ?? serdes.json,
    options,
  };
}

/** Nothing in it is changed by percent-encoding, and none of it is a dot. */
const PLAIN_PART = /^[A-Za-z0-9_-]+$/;

function pathPart(text: string): string {
  return PLAIN_PART.test(text) ? text : encodeURIComponent(text);
}

/** A URL takes a part of one or two dots for a step, percent-encoded as well. */
function keyPart(key: string): string {
  if (key !== "." && key !== "..") return pathPart(key);
  throw new TypeError(
    `the key ${JSON.stringify(key)} cannot stand in a URL, which takes it for a step: use another key, or call it from a handler`,
  );
}

function pathOf({ service, key, handler }: RpcRequest): string {
  return key === undefined
    ? `/${pathPart(service)}/${pathPart(handler)}`
    : `/${pathPart(service)}/${keyPart(key)}/${pathPart(handler)}`;
}

type Extra = Pick<ClientCallOptions, "timeout" | "signal">;

function requestOf(it: RpcRequest, path: string): HttpRequest {
  const { idempotencyKey, headers, timeout, signal } = it.options as RpcRequest["options"] & Extra;
  const body = it.input.serialize(it.parameter);
  const type = body.length > 0 ? it.input.contentType : undefined;
  return {
    method: "POST",
    path,
    body,
    headers: headersOf(type, headers, idempotencyKey),
    timeoutMs: timeout === undefined ? undefined : durationToMs(timeout, "timeout"),
    signal,
    repeatable: idempotencyKey !== undefined,
  };
}

const NO_HEADERS = {};

function headersOf(
  type: string | undefined,
  given: Readonly<Record<string, string>> | undefined,
  idempotencyKey: string | undefined,
): Readonly<Record<string, string>> {
  const typed: Readonly<Record<string, string>> =
    type === undefined ? NO_HEADERS : { "content-type": type };
  if (given === undefined && idempotencyKey === undefined) return typed;
  const key = idempotencyKey === undefined ? NO_HEADERS : { "idempotency-key": idempotencyKey };
  return { ...typed, ...given, ...key };
}

function callOf(http: HttpOptions, it: RpcRequest): Promise<unknown> {
  try {
    return request(http, requestOf(it, pathOf(it)), ({ body }) => it.output.deserialize(body));
  } catch (error) {
    return Promise.reject(error);
  }
}

async function sendOf(http: HttpOptions, it: RpcRequest): Promise<Send> {
  const { delay, idempotencyKey } = it.options;
  const query = delay === undefined ? "" : `?delay=${durationToMs(delay, "delay")}ms`;
  const accepted = await request(http, requestOf(it, `${pathOf(it)}/send${query}`), acceptedOf);
  return { ...accepted, attachable: idempotencyKey !== undefined, output: it.output };
}

function acceptedOf({ body }: IngressAnswer): Pick<Send, "invocationId" | "status"> {
  const { invocationId, status } = JSON.parse(new TextDecoder().decode(body)) as Send; // the ingress wrote it
  return { invocationId, status };
}

function workflowClient(http: HttpOptions, definition: AnyDefinition, key: string): object {
  const call = (it: RpcRequest): Promise<unknown> => callOf(http, it);
  const handlers = makeClient("workflow", definition, key, call);
  const { output } = serdesOf(definition, "run");
  const at = `/restate/workflow/${encodeURIComponent(definition.name)}/${keyPart(key)}`;
  const own: Readonly<Record<string, (...args: never[]) => Promise<unknown>>> = {
    workflowSubmit: async (...args: unknown[]) => {
      const submit = (it: RpcRequest): Promise<Send> => sendOf(http, it);
      const sender = makeClient("workflow", definition, key, submit);
      return { ...(await sender["run"]?.(...args)), attachable: true };
    },
    workflowAttach: async () => {
      const path = `${at}/attach`;
      return await request(http, { method: "GET", path, repeatable: true }, ({ body }) =>
        output.deserialize(body),
      );
    },
    workflowOutput: async () => {
      const path = `${at}/output`;
      return await request(http, { method: "GET", path, repeatable: true }, ({ status, body }) =>
        outputOf(status, () => output.deserialize(body)),
      );
    },
  };
  return new Proxy(handlers, {
    get: (target, name) => (typeof name === "string" && own[name]) || Reflect.get(target, name),
  });
}

function outputOf<T>(status: number, read: () => T): Output<T> {
  if (status !== 470) return { ready: true, result: read() };
  return {
    ready: false,
    get result(): T {
      throw new Error("the workflow has not completed yet: look at `ready` first");
    },
  };
}

async function completeAwakeable(
  http: HttpOptions,
  id: AwakeableId,
  how: "resolve" | "reject",
  body: Uint8Array,
): Promise<void> {
  const path = `/restate/awakeables/${encodeURIComponent(id)}/${how}`;
  await request(http, { method: "POST", path, body, repeatable: true }, () => undefined);
}
