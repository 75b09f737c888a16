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

/** Set on the function that `handlers.*` gives back: it stays the user's function, with its type. */
export const HANDLER: unique symbol = Symbol.for("holdfast.handler") as never; // a unique symbol has no other type

export interface HandlerMark {
  readonly mode: HandlerMode;
  readonly options: HandlerOptions;
}

type Fn<C> = (context: C, input: never) => unknown;

interface Marker<C> {
  <F extends Fn<C>>(fn: F): F;
  <F extends Fn<C>>(options: HandlerOptions, fn: F): F;
}

function marker<C>(mode: HandlerMode): Marker<C> {
  return <F extends Fn<C>>(first: HandlerOptions | F, second?: F): F => {
    const fn = typeof first === "function" ? first : second;
    const options = typeof first === "function" ? {} : first;
    if (typeof fn !== "function") {
      throw new TypeError(
        "a handler is a function: handlers.handler({ ...options }, async (ctx, input) => ...)",
      );
    }
    // A function of its own: the same user function may be given to two services.
    const marked = ((context: C, input: never) => fn(context, input)) as F;
    const mark: HandlerMark = { mode, options };
    return Object.defineProperty(marked, HANDLER, { value: mark });
  };
}

/**
 * Gives a handler its options, or makes it shared.
 *
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
