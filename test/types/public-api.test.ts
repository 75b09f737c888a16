/** What the three entry points export, and the types that clients get from definitions. */
import * as sdk from "holdfast";
import type {
  Context,
  InvocationHandle,
  ObjectContext,
  ObjectSharedContext,
  WorkflowContext,
  WorkflowSharedContext,
} from "holdfast";
import * as client from "holdfast/client";
import * as runtime from "holdfast/runtime";
import { describe, expect, expectTypeOf, test } from "vitest";

const { handlers, object, service, workflow } = sdk;

test("the entry points export these names and no others", () => {
  expect(Object.keys(sdk).sort()).toEqual([
    "CancelledError",
    "DeadlockError",
    "RetryableError",
    "RunInterruptedError",
    "TerminalError",
    "TimeoutError",
    "handlers",
    "object",
    "rpc",
    "serde",
    "serve",
    "service",
    "workflow",
  ]);
  expect(Object.keys(client).sort()).toEqual([
    "HttpCallError",
    "Opts",
    "SendOpts",
    "connect",
    "rpc",
  ]);
  expect(Object.keys(runtime).sort()).toEqual([
    "DirectoryInUseError",
    "FencedError",
    "ListenError",
    "UnknownFormatError",
    "startRuntime",
  ]);
});

const greeter = service({
  name: "greeter",
  handlers: {
    greet: async (_ctx: Context, name: string): Promise<string> => `Hello ${name}`,
    ping: async (_ctx: Context): Promise<void> => undefined,
  },
});
const counter = object({
  name: "counter",
  handlers: {
    add: async (_ctx: ObjectContext, amount: number): Promise<number> => amount,
    value: handlers.object.shared(async (_ctx: ObjectSharedContext): Promise<number> => 0),
  },
});
const signup = workflow({
  name: "signup",
  handlers: {
    run: async (_ctx: WorkflowContext, email: string): Promise<boolean> => email !== "",
    click: async (_ctx: WorkflowSharedContext, secret: string): Promise<void> => void secret,
  },
});

describe("clients inferred from definitions", () => {
  test("have the handlers' arguments and answers, in a handler", () => {
    const use = async (ctx: Context): Promise<void> => {
      expectTypeOf(await ctx.serviceClient(greeter).greet("Ann")).toEqualTypeOf<string>();
      expectTypeOf(await ctx.objectClient(counter, "a").add(1)).toEqualTypeOf<number>();
      expectTypeOf(await ctx.objectClient(counter, "a").value()).toEqualTypeOf<number>();
      expectTypeOf(await ctx.workflowClient(signup, "a").run("x")).toEqualTypeOf<boolean>();
      expectTypeOf(ctx.objectSendClient(counter, "a").add(1)).toEqualTypeOf<InvocationHandle>();
      expectTypeOf(ctx.serviceClient(greeter)).toHaveProperty("ping");
      expectTypeOf(ctx.serviceClient(greeter)).not.toHaveProperty("nope");
    };
    expectTypeOf(use).toBeFunction();
  });

  test("have them from outside too", () => {
    const use = async (ingress: client.Ingress): Promise<void> => {
      expectTypeOf(await ingress.objectClient(counter, "a").add(1)).toEqualTypeOf<number>();
      expectTypeOf(
        await ingress.workflowClient(signup, "a").workflowAttach(),
      ).toEqualTypeOf<boolean>();
      expectTypeOf(ingress.workflowClient(signup, "a")).not.toHaveProperty("run");
      expectTypeOf(ingress.workflowClient(signup, "a").click).parameter(0).toEqualTypeOf<string>();
    };
    expectTypeOf(use).toBeFunction();
  });

  test("refuse other arguments when they are compiled", () => {
    const use = (ctx: Context): void => {
      // The compiler is the test: without the error below, it would fail.
      // @ts-expect-error a counter adds numbers
      void ctx.objectClient(counter, "a").add("1");
      // @ts-expect-error a greeter is greeted by name
      void ctx.serviceClient(greeter).greet();
    };
    expectTypeOf(use).toBeFunction();
  });

  test("contexts give each kind of handler what it may do", () => {
    expectTypeOf<ObjectSharedContext>().not.toHaveProperty("set");
    expectTypeOf<ObjectContext>().toHaveProperty("set");
    expectTypeOf<Context>().not.toHaveProperty("key");
    expectTypeOf<WorkflowSharedContext>().toHaveProperty("promise");
  });
});

describe("a definition that is not sound is refused at once", () => {
  const fn = async (): Promise<void> => undefined;
  test.each([
    ["a name with a space", () => service({ name: "a b", handlers: { fn } }), "needs a name"],
    ["a name that is taken", () => service({ name: "restate", handlers: { fn } }), "is taken"],
    ["no handlers", () => service({ name: "a", handlers: {} }), "has no handlers"],
    ["a handler's name", () => service({ name: "a", handlers: { "b-c": fn } }), "letters, digits"],
    [
      "a workflow without run",
      () => workflow({ name: "a", handlers: { fn } as never }),
      'no handler "run"',
    ],
    [
      "a shared handler of a service",
      () => service({ name: "a", handlers: { fn: handlers.object.shared(fn) as never } }),
      "cannot be",
    ],
    [
      "a retry policy of nothing",
      () => service({ name: "a", handlers: { fn }, options: { retryPolicy: { maxAttempts: 0 } } }),
      "whole number from 1",
    ],
    [
      "a jitter above 1",
      () => service({ name: "a", handlers: { fn }, options: { retryPolicy: { jitter: 1.5 } } }),
      "from 0 to 1, got 1.5",
    ],
    [
      "a negative maxDuration",
      () => service({ name: "a", handlers: { fn }, options: { retryPolicy: { maxDuration: -1 } } }),
      'maxDuration in retryPolicy of handler "a.fn" must not be negative',
    ],
    [
      "an abortTimeout that is none",
      () => service({ name: "a", handlers: { fn }, options: { abortTimeout: "soon" as never } }),
      "abortTimeout of handler",
    ],
  ])("%s", (_, define, message) => {
    expect(define).toThrow(message);
  });
});

describe("runs", () => {
  test("give what their closure gives, whatever their options", () => {
    const use = async (ctx: Context): Promise<void> => {
      expectTypeOf(await ctx.run("a", () => 1)).toEqualTypeOf<number>();
      expectTypeOf(await ctx.run("a", () => 1, { mode: "at-most-once" })).toEqualTypeOf<number>();
      const probe = (): sdk.ProbeAnswer<number> => ({ happened: false });
      expectTypeOf(await ctx.run("a", () => 1, { probe })).toEqualTypeOf<number>();
      const asked = ctx.run("a", () => "x", {
        probe: async () =>
          (await Promise.resolve(true)) ? { happened: true, value: "x" } : { happened: false },
      });
      expectTypeOf(await asked).toEqualTypeOf<string>();
      expectTypeOf(ctx.patched("id")).toEqualTypeOf<boolean>();
      // @ts-expect-error a probe that found something says what
      void ctx.run("a", () => 1, { probe: () => ({ happened: true }) });
    };
    expectTypeOf(use).toBeFunction();
  });
});
