/**
 * What `service`, `object` and `workflow` give back, and what a worker does with it.
 *
 * A definition is two things at once: a name with types, from which clients are inferred, and the
 * handlers themselves under a symbol, which only a worker looks at. A bare `{ name }` that is declared
 * with a definition's type is enough to call a service whose code lives elsewhere.
 */
import type { HandlerManifest, HandlerMode, ServiceKind } from "../protocol/manifest.ts";
import type { TerminalError } from "./errors.ts";
import type { Serde } from "./serde.ts";

declare const types: unique symbol;

/** Registered, so that two copies of this package in one process know each other's definitions. */
export const REGISTRATION: unique symbol = Symbol.for("holdfast.registration") as never; // a unique symbol has no other type

interface Definition<Kind extends ServiceKind, Name extends string, Handlers> {
  readonly name: Name;
  /** For the compiler alone: never there at run time. */
  readonly [types]?: { readonly kind: Kind; readonly handlers: Handlers };
  readonly [REGISTRATION]?: Registration;
}

/** A stateless service as others see it. */
export type ServiceDefinition<Name extends string, Handlers> = Definition<
  "service",
  Name,
  Handlers
>;
/** A keyed object as others see it. */
export type ObjectDefinition<Name extends string, Handlers> = Definition<"object", Name, Handlers>;
/** A workflow as others see it. */
export type WorkflowDefinition<Name extends string, Handlers> = Definition<
  "workflow",
  Name,
  Handlers
>;

export type AnyServiceDefinition = ServiceDefinition<string, unknown>;
export type AnyObjectDefinition = ObjectDefinition<string, unknown>;
export type AnyWorkflowDefinition = WorkflowDefinition<string, unknown>;
/** Any of the three: what `serve({ services })` takes. */
export type AnyDefinition = AnyServiceDefinition | AnyObjectDefinition | AnyWorkflowDefinition;

/** The handlers of a definition as types. */
export type HandlersOf<D> = D extends { readonly [types]?: infer T }
  ? NonNullable<T> extends { readonly handlers: infer Handlers }
    ? Handlers
    : never
  : never;

/** A service as a worker runs it. Maps, never objects: names come from the wire. */
export interface Registration {
  readonly name: string;
  readonly kind: ServiceKind;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly handlers: ReadonlyMap<string, RegisteredHandler>;
}

/** A handler as an attempt runs it: its options are checked and completed. */
export interface RegisteredHandler {
  readonly service: string;
  readonly kind: ServiceKind;
  readonly name: string;
  readonly mode: HandlerMode;
  /** Calls the user's function. `context` is the Context that `kind` and `mode` say. */
  readonly call: (context: unknown, input: unknown) => unknown;
  readonly input: Serde<unknown>;
  readonly output: Serde<unknown>;
  /** For state, runs, awakeables, promises and signals that name no serde. */
  readonly serde: Serde<unknown>;
  /** The user's view of which other errors end the invocation. */
  readonly asTerminalError: ((error: unknown) => TerminalError | undefined) | undefined;
  /** How long an attempt may await something of its own that does not come. Default 10 min. */
  readonly abortTimeoutMs?: number | null;
  readonly manifest: HandlerManifest;
}
