/** Services of end-to-end tests of the ingress: one of each kind. */
import {
  handlers,
  object,
  serde,
  service,
  TerminalError,
  workflow,
  type Context,
  type ObjectContext,
  type ObjectSharedContext,
  type WorkflowContext,
  type WorkflowSharedContext,
} from "holdfast";

export const greeter = service({
  name: "Greeter",
  handlers: {
    greet: async (_ctx: Context, name: string) => `Hello ${name}!`,
    nothing: async () => undefined,
    headers: async (ctx: Context) => Object.fromEntries(ctx.request().headers),
    fail: async (
      _ctx: Context,
      { message, ...options }: { message: string; errorCode?: number },
    ) => {
      throw new TerminalError(message, options);
    },
    boom: async (ctx: Context) => {
      await ctx.run("boom", () => Promise.reject(new Error("run boom")), { maxRetryAttempts: 1 });
    },
    broken: handlers.handler(
      { retryPolicy: { maxAttempts: 1, onMaxAttempts: "kill" } },
      async () => {
        throw new Error("kill boom");
      },
    ),
    secret: handlers.handler({ ingressPrivate: true }, async () => "no"),
    bytes: handlers.handler(
      { input: serde.binary, output: serde.binary },
      async (_ctx: Context, input: Uint8Array) => input,
    ),
    wait: async (ctx: Context) => await ctx.sleep({ days: 1 }),
  },
});

export const chat = object({
  name: "Chat",
  handlers: {
    key: async (ctx: ObjectContext) => ctx.key,
    send: async (ctx: ObjectContext) => `sent in ${ctx.key}`,
    approve: async (ctx: ObjectContext) => {
      const approval = ctx.awakeable<string>();
      ctx.set("id", approval.id);
      return await approval.promise;
    },
    approval: handlers.object.shared(async (ctx: ObjectSharedContext) => ctx.get<string>("id")),
  },
});

export const signup = workflow({
  name: "Signup",
  handlers: {
    run: async (ctx: WorkflowContext, name: string) =>
      `${name} ${await ctx.promise<string>("confirmed")}`,
    confirm: async (ctx: WorkflowSharedContext) => {
      await ctx.promise<string>("confirmed").resolve("confirmed");
    },
  },
});
