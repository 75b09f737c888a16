/** `service`, `object`, `workflow`: names with handlers. What is wrong with one is thrown here. */
import { withArticle, type HandlerMode, type ServiceKind } from "../protocol/manifest.ts";
import type { Context, ObjectContext, WorkflowContext, WorkflowSharedContext } from "./context.ts";
import {
  REGISTRATION,
  type AnyDefinition,
  type ObjectDefinition,
  type RegisteredHandler,
  type Registration,
  type ServiceDefinition,
  type WorkflowDefinition,
} from "./definition.ts";
import {
  abortTimeoutMsOf,
  announced,
  type HandlerOptions,
  requireTexts,
  serdesIn,
  type ServiceOptions,
} from "./handler-options.ts";
import { markOf } from "./handlers.ts";

type Fn<C> = (context: C, input: never) => unknown;

interface Definition<Name extends string, H> {
  /** Letters, digits, "_", "." and "-", at most 128. Part of URLs, and kept with stored state. */
  readonly name: Name;
  /** By name: letters, digits and "_". */
  readonly handlers: H;
  /** For people, shown by the admin API. */
  readonly description?: string;
  /** For tools, shown by the admin API. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** For all handlers; what a handler says itself comes first. */
  readonly options?: ServiceOptions;
}

/**
 * A stateless service.
 *
 * @throws TypeError or RangeError when the definition is not sound
 * @example const greeter = service({ name: "greeter", handlers: { greet: async (ctx: Context, name: string) => `Hello ${name}` } });
 */
export function service<const Name extends string, H extends Readonly<Record<string, Fn<Context>>>>(
  definition: Definition<Name, H>,
): ServiceDefinition<Name, H> {
  return define<ServiceDefinition<Name, H>>("service", definition);
}

/**
 * A keyed object with state: its handlers run one at a time per key, but for those made with
 * `handlers.object.shared`.
 *
 * @throws TypeError or RangeError when the definition is not sound
 * @example const counter = object({ name: "counter", handlers: { add: async (ctx: ObjectContext, n: number) => { ... } } });
 */
export function object<
  const Name extends string,
  H extends Readonly<Record<string, Fn<ObjectContext>>>,
>(definition: Definition<Name, H>): ObjectDefinition<Name, H>;
/** With contexts whose state is typed: `ctx: ObjectContext<{ count: number }>`. */
export function object<const Name extends string, H extends Readonly<Record<string, Fn<never>>>>(
  definition: Definition<Name, H>,
): ObjectDefinition<Name, H>;
export function object<const Name extends string, H>(
  definition: Definition<Name, H>,
): ObjectDefinition<Name, H> {
  return define<ObjectDefinition<Name, H>>("object", definition);
}

/** Gives each handler of a workflow the context that it will get. */
type WorkflowHandlers<H> = H & {
  readonly [Name in keyof H]: Fn<Name extends "run" ? WorkflowContext : WorkflowSharedContext>;
};

/**
 * A workflow: `run` happens once per key, the other handlers run beside it.
 *
 * @throws TypeError or RangeError when the definition is not sound, or has no `run`
 * @example
 * const signup = workflow({ name: "signup", handlers: {
 *   run: async (ctx: WorkflowContext, email: string) => ctx.promise<string>("clicked"),
 *   click: async (ctx: WorkflowSharedContext, secret: string) => ctx.promise<string>("clicked").resolve(secret),
 * }});
 */
export function workflow<
  const Name extends string,
  H extends { readonly run: Fn<WorkflowContext> },
>(definition: Definition<Name, WorkflowHandlers<H>>): WorkflowDefinition<Name, H>;
/** With contexts whose state is typed: `ctx: WorkflowContext<{ step: string }>`. */
export function workflow<
  const Name extends string,
  H extends Readonly<Record<string, Fn<never>>> & { readonly run: Fn<never> },
>(definition: Definition<Name, H>): WorkflowDefinition<Name, H>;
export function workflow<const Name extends string, H>(
  definition: Definition<Name, H>,
): WorkflowDefinition<Name, H> {
  return define<WorkflowDefinition<Name, H>>("workflow", definition);
}

const SERVICE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;
const HANDLER_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const KEPT_NAMES = new Set(["restate", "openapi", "holdfast"]);

function define<D extends AnyDefinition>(
  kind: ServiceKind,
  definition: Definition<string, unknown>,
): D {
  const { name, options = {}, description = "", metadata = {} } = definition;
  if (typeof name !== "string" || !SERVICE_NAME.test(name)) {
    throw new TypeError(
      `${withArticle(kind)} needs a name of letters, digits, "_", "." and "-", got ${JSON.stringify(name)}`,
    );
  }
  if (KEPT_NAMES.has(name.toLowerCase())) {
    throw new TypeError(`the name "${name}" is taken by Holdfast itself; choose another one`);
  }
  const where = `${kind} "${name}"`;
  requireTexts({ description, metadata }, where);
  const given = Object.entries(definition.handlers ?? {});
  if (given.length === 0) throw new TypeError(`${where} has no handlers`);
  const handlers = new Map(
    given.map(([handler, fn]) => [
      handler,
      register({ kind, service: name, handler, fn, options }),
    ]),
  );
  if (kind === "workflow" && !handlers.has("run")) {
    throw new TypeError(`${where} has no handler "run": that is what happens once per key`);
  }
  const registration: Registration = { name, kind, description, metadata, handlers };
  // Its kind and its handlers stand in the type alone.
  return { name, [REGISTRATION]: registration } as AnyDefinition as D;
}

interface Given {
  readonly kind: ServiceKind;
  readonly service: string;
  readonly handler: string;
  readonly fn: unknown;
  readonly options: ServiceOptions;
}

function register({ kind, service: name, handler, fn, options }: Given): RegisteredHandler {
  const where = `handler "${name}.${handler}"`;
  if (!HANDLER_NAME.test(handler)) {
    throw new TypeError(`${where}: a handler's name has letters, digits and "_"`);
  }
  if (typeof fn !== "function") throw new TypeError(`${where} is ${typeof fn}, not a function`);
  const mark = markOf(fn);
  const mode = mark?.mode ?? defaultMode(kind, handler);
  checkMode(kind, handler, mode, where);
  const merged: HandlerOptions = { ...options, ...mark?.options };
  const { serde, input, output } = serdesIn(merged, where);
  return {
    service: name,
    kind,
    name: handler,
    mode,
    // The user's function, called with the context that its kind and mode say.
    call: fn as RegisteredHandler["call"],
    input,
    output,
    serde,
    asTerminalError: merged.asTerminalError,
    abortTimeoutMs: abortTimeoutMsOf(merged, where),
    manifest: {
      name: handler,
      mode,
      inputContentType: merged.accept ?? input.contentType ?? "",
      inputRequired: false,
      outputContentType: output.contentType ?? "",
      ...announced(merged, where),
    },
  };
}

function defaultMode(kind: ServiceKind, handler: string): HandlerMode {
  if (kind === "service") return "stateless";
  if (kind === "object") return "exclusive";
  return handler === "run" ? "exclusive" : "shared";
}

function checkMode(kind: ServiceKind, handler: string, mode: HandlerMode, where: string): void {
  const fits =
    kind === "service"
      ? mode === "stateless"
      : kind === "object"
        ? mode !== "stateless"
        : mode === (handler === "run" ? "exclusive" : "shared");
  if (fits) return;
  throw new TypeError(
    `${where} is ${mode}, which one of ${withArticle(kind)} cannot be: use handlers.${kind === "service" ? "handler" : `${kind}.*`}`,
  );
}
