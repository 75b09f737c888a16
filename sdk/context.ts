/**
 * What a handler can do. The interfaces stand here, apart from what implements them (attempt/).
 *
 * Every call of ctx is recorded in the invocation's journal at the moment it is made. After a crash or
 * a suspension the handler runs again from its start; the recorded calls are matched in order and give
 * the recorded answers, so a handler must make the same calls for the same answers. Whatever differs
 * from run to run (network, clock, randomness) belongs into `ctx.run`, `ctx.date` or `ctx.rand`.
 *
 * What is wrong with an argument is thrown at once, as TypeError or RangeError.
 */
import type { InvocationId } from "../protocol/ids.ts";
import type { Client, GenericCall, GenericSend, SendClient } from "./client-types.ts";
import type {
  AnyObjectDefinition,
  AnyServiceDefinition,
  AnyWorkflowDefinition,
  HandlersOf,
} from "./definition.ts";
import type { Duration } from "./duration.ts";
import type { TerminalError } from "./errors.ts";
import type {
  Awakeable,
  ContextPromise,
  DurablePromise,
  InvocationHandle,
  InvocationPromise,
} from "./promise.ts";
import type { ContextDate, Rand, Request } from "./request.ts";
import type { RunAction, RunOptions } from "./run.ts";
import type { Serde } from "./serde.ts";

/**
 * The context of a handler of a plain service, and the part that all contexts share.
 *
 * Members are bound when they are asked for. Take out what you use, `const { run, sleep } = ctx`: a spread of the
 * whole leaves them out.
 */
export interface Context {
  /** The request that this invocation answers: id, target, headers, raw body. */
  request(): Request;
  /** Randomness that is the same on every replay. */
  readonly rand: Rand;
  /** The clock, recorded. */
  readonly date: ContextDate;
  /** A console that is silent while the handler is replayed. */
  readonly console: Console;

  /**
   * Whether this invocation takes the new branch of a change to its handler. Invocations in flight were
   * recorded by the code of before the change, and must go on with it; all others take the new branch.
   * It answers at once, the same for the whole invocation and in every replay, and is recorded when it
   * is true: an invocation that has come past this point, or to it, before the change gets `false`.
   *
   * Use a new id for each change, and deploy in three steps under the same version:
   *
   * 1. Both branches, the new one under `ctx.patched`.
   * 2. Once no invocation from before step 1 is open (`holdfast invocations list`), the new branch alone.
   *    Journals that hold the patch go on without the check.
   * 3. The id is free again once no invocation from between the two is open.
   *
   * Called after awaiting something that is not a ctx promise, it is true only for invocations whose
   * journal was empty when the attempt began.
   *
   * @param id names the change, the same wherever it is asked for
   * @throws TypeError when the id is empty
   * @example
   * // version 1:  await ctx.run("refund", refundByTransfer);
   * if (ctx.patched("refund-by-card")) await ctx.run("refund to card", refundToCard);
   * else await ctx.run("refund", refundByTransfer);
   */
  patched(id: string): boolean;

  /**
   * Runs `action` once and records its result; on replay the result is given back without running it.
   * An action that was cut off before its result was recorded runs again, with the same
   * `idempotencyToken`.
   *
   * A thrown `TerminalError` is recorded and rejects the promise. Any other error is retried: see
   * {@link RunOptions}. The action must not use ctx.
   *
   * @param name a label for people; compared on replay
   * @example
   * const charge = await ctx.run("charge", ({ signal, idempotencyToken }) =>
   *   payments.charge(order, { signal, idempotencyKey: idempotencyToken }),
   * );
   */
  run<T>(action: RunAction<T>, options?: RunOptions<T>): ContextPromise<T>;
  run<T>(name: string, action: RunAction<T>, options?: RunOptions<T>): ContextPromise<T>;

  /**
   * Waits, durably: the process may be restarted meanwhile, and a long wait costs no memory.
   *
   * @param duration milliseconds or units; at most 100 years
   * @param name a label for people; compared on replay
   * @example await ctx.sleep({ days: 3 });
   */
  sleep(duration: Duration, name?: string): ContextPromise<void>;

  /**
   * Makes a promise that someone outside completes by its id.
   *
   * @example
   * const approval = ctx.awakeable<boolean>();
   * await ctx.run("ask", () => mail(`/approve?id=${approval.id}`));
   * const approved = await approval.promise.orTimeout({ days: 2 });
   */
  awakeable<T = unknown>(serde?: Serde<T>): Awakeable<T>;
  /** Completes an awakeable with a value. The first completion wins; later ones do nothing. */
  resolveAwakeable<T = unknown>(id: string, payload?: T, serde?: Serde<T>): void;
  /** Completes an awakeable with a failure (code 500 for a message). The first completion wins. */
  rejectAwakeable(id: string, reason: string | TerminalError): void;

  /**
   * Waits for the next signal of this name that is sent to this invocation. Signals that came before
   * anyone waited are kept, in order.
   *
   * @see Context.invocation to send one
   */
  signal<T = unknown>(name: string, serde?: Serde<T>): ContextPromise<T>;

  /**
   * A typed client of a service. Methods call and give the answer as a promise, which rejects with the
   * callee's failure.
   *
   * @param definition what `service()` gave back, or `{ name }` typed as such
   * @example const text = await ctx.serviceClient(greeter).greet("Ann");
   */
  serviceClient<D extends AnyServiceDefinition>(definition: D): Client<HandlersOf<D>>;
  /** A typed client of an object's key. */
  objectClient<D extends AnyObjectDefinition>(definition: D, key: string): Client<HandlersOf<D>>;
  /** A typed client of a workflow's key. Calling `run` a second time fails with 409. */
  workflowClient<D extends AnyWorkflowDefinition>(
    definition: D,
    key: string,
  ): Client<HandlersOf<D>>;

  /**
   * Like `serviceClient`, one-way: methods start the invocation and do not wait for it.
   *
   * @example ctx.serviceSendClient(mailer).send(mail, rpc.sendOpts({ delay: { hours: 1 } }));
   */
  serviceSendClient<D extends AnyServiceDefinition>(definition: D): SendClient<HandlersOf<D>>;
  /** Like `objectClient`, one-way. */
  objectSendClient<D extends AnyObjectDefinition>(
    definition: D,
    key: string,
  ): SendClient<HandlersOf<D>>;
  /** Like `workflowClient`, one-way. */
  workflowSendClient<D extends AnyWorkflowDefinition>(
    definition: D,
    key: string,
  ): SendClient<HandlersOf<D>>;

  /** Calls a handler whose name is known only at run time. */
  genericCall<Input = unknown, Output = unknown>(
    call: GenericCall<Input, Output>,
  ): InvocationPromise<Output>;
  /** Sends to a handler whose name is known only at run time. */
  genericSend<Input = unknown>(send: GenericSend<Input>): InvocationHandle;

  /** A handle on any invocation by its id. @throws TypeError when it is not an invocation id */
  invocation(invocationId: string): InvocationReference;
  /** Waits for the result of any invocation. Its failure rejects; so does an unknown id (404). */
  attach<T = unknown>(invocationId: string, serde?: Serde<T>): ContextPromise<T>;
  /** Cancels an invocation: its handler sees `CancelledError` and may compensate. */
  cancel(invocationId: string): void;
}

/** Another invocation, by its id. */
export interface InvocationReference {
  readonly id: InvocationId;
  /** Sends a signal, which answers a `ctx.signal` of that name in the other invocation. */
  signal<T = unknown>(name: string, serde?: Serde<T>): SignalReference<T>;
  /** The same as `ctx.attach`. */
  attach<T = unknown>(serde?: Serde<T>): ContextPromise<T>;
  /** The same as `ctx.cancel`. */
  cancel(): void;
}

/** A signal to be sent. */
export interface SignalReference<T> {
  resolve(payload?: T): void;
  reject(reason: string | TerminalError): void;
}

declare const untyped: unique symbol;

/** State whose names and types are not declared: `ctx.get<number>("count")` says the type each time. */
export interface UntypedState {
  readonly [untyped]: never;
}

type StateName<State, Name> = State extends UntypedState ? string : Name;
type StateValue<State, Name extends keyof State, Value> = State extends UntypedState
  ? Value
  : State[Name];

/** The part of an object's or workflow's state that shared handlers may use too. */
export interface StateReader<State extends object = UntypedState> {
  /** The key of this object or workflow. */
  readonly key: string;
  /**
   * A value of this key's state, or `null` when there is none. A shared handler sees the state as it
   * was when its attempt started.
   *
   * @example const count = (await ctx.get<number>("count")) ?? 0;
   */
  get<Value = unknown, Name extends keyof State = keyof State>(
    name: StateName<State, Name>,
    serde?: Serde<StateValue<State, Name, Value>>,
  ): ContextPromise<StateValue<State, Name, Value> | null>;
  /** The names of this key's state, in order. */
  stateKeys(): ContextPromise<string[]>;
}

/** What only the one exclusive handler of a key may do. */
export interface StateWriter<State extends object = UntypedState> {
  /**
   * Sets a value of this key's state. It takes effect with the call, and stays when the handler fails
   * later on. `undefined` is a value of no bytes, not a `clear`.
   */
  set<Value = unknown, Name extends keyof State = keyof State>(
    name: StateName<State, Name>,
    value: StateValue<State, Name, Value>,
    serde?: Serde<StateValue<State, Name, Value>>,
  ): void;
  /** Removes a value of this key's state. */
  clear<Name extends keyof State = keyof State>(name: StateName<State, Name>): void;
  /** Removes the whole state of this key. */
  clearAll(): void;
}

/** The promises of a workflow. */
export interface WorkflowPromises {
  /**
   * The promise of this name, shared by all handlers of this workflow's key.
   *
   * @example
   * run: async (ctx: WorkflowContext) => { await ctx.promise<string>("clicked"); },
   * click: async (ctx: WorkflowSharedContext, secret: string) => { await ctx.promise<string>("clicked").resolve(secret); },
   */
  promise<T = unknown>(name: string, serde?: Serde<T>): DurablePromise<T>;
}

/** The context of an exclusive handler of an object: one at a time per key, reads and writes state. */
export interface ObjectContext<State extends object = UntypedState>
  extends Context, StateReader<State>, StateWriter<State> {}

/** The context of a shared handler of an object: beside the exclusive one, reads state only. */
export interface ObjectSharedContext<State extends object = UntypedState>
  extends Context, StateReader<State> {}

/** The context of a workflow's `run`: once per key, reads and writes state. */
export interface WorkflowContext<State extends object = UntypedState>
  extends Context, StateReader<State>, StateWriter<State>, WorkflowPromises {}

/** The context of a workflow's other handlers: beside `run`, reads state only. */
export interface WorkflowSharedContext<State extends object = UntypedState>
  extends Context, StateReader<State>, WorkflowPromises {}
