/** What `holdfast` exports. */
export { service, object, workflow } from "./define.ts";
export { handlers } from "./handlers.ts";
export { serve, type ServeOptions, type Worker } from "./worker/serve.ts";
export { rpc } from "./rpc.ts";
export { serde, type Serde } from "./serde.ts";
export {
  CancelledError,
  DeadlockError,
  RetryableError,
  RunInterruptedError,
  TerminalError,
  TimeoutError,
} from "./errors.ts";
export type {
  Context,
  InvocationReference,
  ObjectContext,
  ObjectSharedContext,
  SignalReference,
  UntypedState,
  WorkflowContext,
  WorkflowSharedContext,
} from "./context.ts";
export type { ObjectDefinition, ServiceDefinition, WorkflowDefinition } from "./definition.ts";
export type { Client, SendClient } from "./client-types.ts";
export type { Duration } from "./duration.ts";
export type { HandlerOptions, RetryOptions, ServiceOptions } from "./handler-options.ts";
export type {
  Awakeable,
  ContextPromise,
  DurablePromise,
  InvocationHandle,
  InvocationPromise,
} from "./promise.ts";
export type { ContextDate, Rand, Request } from "./request.ts";
export type { ProbeAnswer, RunAction, RunContext, RunOptions, RunProbe } from "./run.ts";
export type { RunMode } from "../protocol/command.ts";
export type { AwakeableId, InvocationId } from "../protocol/ids.ts";
