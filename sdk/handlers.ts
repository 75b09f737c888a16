/** `handlers`: a function together with its options and its mode. */
import type { HandlerMode } from "../protocol/manifest.ts";
import type {
  ObjectContext,
  ObjectSharedContext,
  WorkflowContext,
  WorkflowSharedContext,
  Context,
} from "./context.ts";
import type { HandlerOptions } from "./handler-options.ts";
import type { Serde } from "./serde.ts";
import type { JsonSerde } from "./serde/json.ts";

/** Set on the function that `handlers.*` gives back: it stays the user's function, with its type. */
export const HANDLER: unique symbol = Symbol.for("holdfast.handler") as never; // a unique symbol has no other type

export interface HandlerMark {
  readonly mode: HandlerMode;
  readonly options: HandlerOptions;
}

/** What a handler with these options is given: what its input serde reads. */
type InputOf<O> = O extends { readonly input: infer S } ? ReadBy<S, never> : never;
/** What a handler with these options may give back: what its output serde writes. */
type OutputOf<O> = O extends { readonly output: infer S } ? PromiseOr<ReadBy<S, unknown>> : unknown;
/** JSON carries any type, so it says nothing about the function: `any` type will do. */
type ReadBy<S, Any> = S extends JsonSerde ? Any : S extends Serde<infer T> ? T : Any;
type PromiseOr<T> = T | PromiseLike<T>;

/** Gives back the same function: its type is what clients are inferred from. */
interface Marker<C> {
  <F extends (context: C, input: never) => unknown>(fn: F): F;
  <F extends (context: never, input: never) => unknown>(fn: F): F;
  <const O extends HandlerOptions, F extends (context: C, input: InputOf<O>) => OutputOf<O>>(
    options: O,
    fn: F,
  ): F;
  /** With a context whose state is typed. */
  <const O extends HandlerOptions, F extends (context: never, input: InputOf<O>) => OutputOf<O>>(
    options: O,
    fn: F,
  ): F;
}

type AnyHandler = (context: never, input: never) => unknown;

function marker<C>(mode: HandlerMode): Marker<C> {
  return <F extends AnyHandler>(first: HandlerOptions | F, second?: F): F => {
    const fn = typeof first === "function" ? first : second;
    const options = typeof first === "function" ? {} : first;
    if (typeof fn !== "function") {
      throw new TypeError(
        "a handler is a function: handlers.handler({ ...options }, async (ctx, input) => ...)",
      );
    }
    // A function of its own: the same user function may be given to two services.
    const marked = ((context: never, input: never) => fn(context, input)) as F;
    const mark: HandlerMark = { mode, options };
    return Object.defineProperty(marked, HANDLER, { value: mark });
  };
}

/**
 * Gives a handler its options, or makes it shared. With an input or output serde the types of the
 * function follow from it.
 *
 * @throws TypeError when what it is given is no function
 * @example
 * greet: handlers.handler({ input: serde.schema(z.string()) }, async (ctx, name) => `Hello ${name}`)
 * @example
 * object({ name: "counter", handlers: {
 *   add: async (ctx: ObjectContext, n: number) => { ... },
 *   value: handlers.object.shared(async (ctx: ObjectSharedContext) => ctx.get<number>("value")),
 * }});
 */
export const handlers: {
  handler: Marker<Context>;
  readonly object: { exclusive: Marker<ObjectContext>; shared: Marker<ObjectSharedContext> };
  readonly workflow: { workflow: Marker<WorkflowContext>; shared: Marker<WorkflowSharedContext> };
} = {
  handler: marker("stateless"),
  object: { exclusive: marker("exclusive"), shared: marker("shared") },
  workflow: { workflow: marker("exclusive"), shared: marker("shared") },
};

export function markOf(fn: unknown): HandlerMark | undefined {
  return typeof fn === "function" && HANDLER in fn
    ? (fn as { readonly [HANDLER]: HandlerMark })[HANDLER] // defined above
    : undefined;
}
