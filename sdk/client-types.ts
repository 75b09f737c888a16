/** Types of clients, inferred from the definition of what they call. */
import type { Duration } from "./duration.ts";
import type { InvocationHandle, InvocationPromise } from "./promise.ts";
import type { CallOptionsHolder, SendOptionsHolder } from "./rpc.ts";
import type { Serde } from "./serde.ts";

/** Options of one call, given as `rpc.opts({ ... })` after the argument. */
export interface CallOptions<Input = unknown, Output = unknown> {
  /** How the argument becomes bytes. Default: what the handler's definition says, else JSON. */
  readonly input?: Serde<Input>;
  /** How the answer is read. Default: what the handler's definition says, else JSON. */
  readonly output?: Serde<Output>;
  /** Calls of the same handler (and key) with the same idempotency key are one invocation. */
  readonly idempotencyKey?: string;
  /** Headers that the callee finds in `ctx.request().headers`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A label for people: shown in the journal, and compared on replay. */
  readonly name?: string;
}

/** Options of one send, given as `rpc.sendOpts({ ... })` after the argument. */
export interface SendOptions<Input = unknown> extends Omit<CallOptions<Input>, "output"> {
  /** Start it no sooner than after this time. Durable. Default: at once. */
  readonly delay?: Duration;
}

/** The arguments of a handler after its context: none, or one. */
export type HandlerArguments<Handler> = Handler extends (
  context: never,
  ...rest: infer Rest
) => unknown
  ? Rest extends [infer Only]
    ? [Only] extends [void]
      ? []
      : Rest
    : Rest
  : never;

/** What the handler's promise is for. */
export type HandlerOutput<Handler> = Handler extends (...all: never[]) => infer Output
  ? Awaited<Output>
  : never;

/** A typed client: one method per handler, which gives the answer. */
export type Client<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: [
      ...HandlerArguments<Handlers[Name]>,
      options?: CallOptionsHolder<
        HandlerArguments<Handlers[Name]>[0],
        HandlerOutput<Handlers[Name]>
      >,
    ]
  ) => InvocationPromise<HandlerOutput<Handlers[Name]>>;
};

/** A typed client for one-way sends: one method per handler, which gives a handle. */
export type SendClient<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: [
      ...HandlerArguments<Handlers[Name]>,
      options?: SendOptionsHolder<HandlerArguments<Handlers[Name]>[0]>,
    ]
  ) => InvocationHandle;
};

/** A call whose target is known only at run time. */
export interface GenericCall<Input = unknown, Output = unknown> {
  readonly service: string;
  /** Name of the handler. */
  readonly method: string;
  /** Key of the object or workflow; leave it out for a plain service. */
  readonly key?: string;
  readonly parameter: Input;
  /** Default: bytes as they are when the parameter is a `Uint8Array`, else JSON. */
  readonly inputSerde?: Serde<Input>;
  /** Default: bytes as they are when the parameter is a `Uint8Array`, else JSON. */
  readonly outputSerde?: Serde<Output>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  /** A label for people: shown in the journal, and compared on replay. */
  readonly name?: string;
}

/** A send whose target is known only at run time. */
export interface GenericSend<Input = unknown> extends Omit<GenericCall<Input>, "outputSerde"> {
  /** Start it no sooner than after this time. Durable. Default: at once. */
  readonly delay?: Duration;
}
