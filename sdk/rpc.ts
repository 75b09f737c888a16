/**
 * Options of calls, and the clients' way from `client.method(argument, options)` to one request.
 * Shared by the clients of ctx and by the HTTP client.
 */
import type { CallOptions, SendOptions } from "./client-types.ts";
import { type AnyDefinition, REGISTRATION } from "./definition.ts";
import { withArticle, type ServiceKind } from "../protocol/manifest.ts";
import { type Serde, serde } from "./serde.ts";

/** Made by `rpc.opts`: a class, so that options are never taken for the argument of a handler. */
export class CallOptionsHolder<Input = unknown, Output = unknown> {
  readonly options: CallOptions<Input, Output>;

  constructor(options: CallOptions<Input, Output>) {
    this.options = options;
  }
}

/** Made by `rpc.sendOpts`. */
export class SendOptionsHolder<Input = unknown> {
  readonly options: SendOptions<Input>;

  constructor(options: SendOptions<Input>) {
    this.options = options;
  }
}

/**
 * Marks options as such: `client.greet("Ann", rpc.opts({ idempotencyKey: "1" }))`,
 * `sendClient.greet("Ann", rpc.sendOpts({ delay: { hours: 1 } }))`.
 */
export const rpc: {
  opts<Input, Output>(options: CallOptions<Input, Output>): CallOptionsHolder<Input, Output>;
  sendOpts<Input>(options: SendOptions<Input>): SendOptionsHolder<Input>;
} = {
  opts: (options) => new CallOptionsHolder(options),
  sendOpts: (options) => new SendOptionsHolder(options),
};

/** One call or send, before anything is encoded. */
export interface RpcRequest {
  readonly service: string;
  readonly handler: string;
  readonly key: string | undefined;
  readonly parameter: unknown;
  readonly input: Serde<unknown>;
  readonly output: Serde<unknown>;
  /** What `rpc.opts` or `rpc.sendOpts` were given; `{}` when nothing. */
  readonly options: CallOptions & SendOptions;
}

/**
 * A client for `definition`: a method for every name, which hands one request to `issue`.
 *
 * @param expected the kind that the caller's method is for; another definition throws TypeError
 */
export function makeClient<Result>(
  expected: ServiceKind,
  definition: AnyDefinition,
  key: string | undefined,
  issue: (request: RpcRequest) => Result,
): Readonly<Record<string, (...args: unknown[]) => Result>> {
  const service = requireDefinition(expected, definition);
  if (expected !== "service") requireKey(key, service);
  return new Proxy(NO_MEMBERS, {
    get(_target, handler) {
      // A client may be returned from an async function: it must not look like a promise.
      if (typeof handler !== "string" || handler === "then") return undefined;
      return (...args: unknown[]): Result =>
        issue(requestOf(definition, { service, key, handler }, args));
    },
  }) as Readonly<Record<string, (...args: unknown[]) => Result>>; // what `get` answers
}

/** What all clients stand in front of: nobody can put anything into it. */
const NO_MEMBERS: object = Object.freeze(Object.create(null) as object);

/** How a handler of a definition in the same program encodes; JSON when its code lives elsewhere. */
export function serdesOf(
  definition: AnyDefinition,
  handler: string,
): { readonly input: Serde<unknown>; readonly output: Serde<unknown> } {
  const registered = definition[REGISTRATION]?.handlers.get(handler);
  return registered ?? JSON_SERDES;
}

const JSON_SERDES = { input: serde.json, output: serde.json };

const NO_OPTIONS: CallOptions & SendOptions = {};

function requestOf(
  definition: AnyDefinition,
  { service, key, handler }: Pick<RpcRequest, "service" | "key" | "handler">,
  args: readonly unknown[],
): RpcRequest {
  const last = args.length === 0 ? undefined : args[args.length - 1];
  const isOptions = last instanceof CallOptionsHolder || last instanceof SendOptionsHolder;
  const options: CallOptions & SendOptions = isOptions ? last.options : NO_OPTIONS;
  const count = isOptions ? args.length - 1 : args.length;
  if (count > 1) {
    throw new TypeError(
      `${service}.${handler} was called with ${count} arguments, a handler takes one: pass an object, and options as rpc.opts({ ... })`,
    );
  }
  const registration = definition[REGISTRATION];
  if (registration !== undefined && !registration.handlers.has(handler)) {
    const names = [...registration.handlers.keys()].join(", ");
    throw new TypeError(`${service}.${handler} does not exist: ${service} has ${names}`);
  }
  const serdes = serdesOf(definition, handler);
  return {
    service,
    handler,
    key,
    parameter: count === 0 ? undefined : args[0],
    input: options.input ?? serdes.input,
    output: options.output ?? serdes.output,
    options,
  };
}

function requireDefinition(expected: ServiceKind, definition: AnyDefinition): string {
  const name: unknown = definition?.name;
  if (typeof name !== "string" || name === "") {
    throw new TypeError(
      `${expected}Client takes a definition or { name: "..." }, got ${typeof definition}`,
    );
  }
  const kind = definition[REGISTRATION]?.kind;
  if (kind !== undefined && kind !== expected) {
    throw new TypeError(
      `"${name}" is ${withArticle(kind)}: use ${kind}Client or ${kind}SendClient`,
    );
  }
  return name;
}

function requireKey(key: unknown, service: string): void {
  if (typeof key !== "string") {
    throw new TypeError(`the key of ${service} must be a string, got ${typeof key}`);
  }
}
