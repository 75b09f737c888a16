import type { CallOptions, SendOptions } from "../client-types.ts";
import type { Duration } from "../duration.ts";
import { CallOptionsHolder, SendOptionsHolder } from "../rpc.ts";

/** Options of one call from outside. */
export interface ClientCallOptions<Input = unknown, Output = unknown> extends CallOptions<
  Input,
  Output
> {
  /** Gives up waiting after this time, retries included; what was accepted goes on. Default: waits for ever. */
  readonly timeout?: Duration;
  /** Gives up waiting when it aborts; what was accepted goes on. */
  readonly signal?: AbortSignal;
}

/** Options of one send from outside. */
export interface ClientSendOptions<Input = unknown> extends SendOptions<Input> {
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

/** Made by `Opts.from`: told apart from an argument by its class. */
export class ClientOptionsHolder<I, O> extends CallOptionsHolder<I, O> {}
export class ClientSendOptionsHolder<I> extends SendOptionsHolder<I> {}

/** @example await client.add(2, Opts.from({ idempotencyKey: "order-1", timeout: { seconds: 5 } })); */
export const Opts: { from<I, O>(options: ClientCallOptions<I, O>): ClientOptionsHolder<I, O> } = {
  from: (options) => new ClientOptionsHolder(options),
};

/** @example await sender.remind("Ann", SendOpts.from({ delay: { days: 1 } })); */
export const SendOpts: { from<I>(options: ClientSendOptions<I>): ClientSendOptionsHolder<I> } = {
  from: (options) => new ClientSendOptionsHolder(options),
};
