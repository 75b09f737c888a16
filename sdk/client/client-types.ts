import type { HandlerArguments, HandlerOutput } from "../client-types.ts";
import type { CallOptionsHolder, SendOptionsHolder } from "../rpc.ts";
import type { Output, Send } from "./connect.ts";

/** Methods that call and give the answer. */
export type IngressClient<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: [
      ...HandlerArguments<Handlers[Name]>,
      options?: CallOptionsHolder<
        HandlerArguments<Handlers[Name]>[0],
        HandlerOutput<Handlers[Name]>
      >,
    ]
  ) => Promise<HandlerOutput<Handlers[Name]>>;
};

/** Methods that send and say that it was accepted. */
export type IngressSendClient<Handlers> = {
  readonly [Name in keyof Handlers]: (
    ...args: [
      ...HandlerArguments<Handlers[Name]>,
      options?: SendOptionsHolder<HandlerArguments<Handlers[Name]>[0]>,
    ]
  ) => Promise<Send<HandlerOutput<Handlers[Name]>>>;
};

type Run<Handlers> = Handlers extends { readonly run: infer R } ? R : never;

/** A workflow from outside: submitted once, attached to by its key. Other handlers are called. */
export type IngressWorkflowClient<Handlers> = IngressClient<Omit<Handlers, "run">> & {
  /** Starts it, unless it was started before. */
  workflowSubmit(
    ...args: [
      ...HandlerArguments<Run<Handlers>>,
      options?: SendOptionsHolder<HandlerArguments<Run<Handlers>>[0]>,
    ]
  ): Promise<Send<HandlerOutput<Run<Handlers>>>>;
  /** Waits for its result. */
  workflowAttach(): Promise<HandlerOutput<Run<Handlers>>>;
  /** Its result, if it is there. */
  workflowOutput(): Promise<Output<HandlerOutput<Run<Handlers>>>>;
};
