/** When code goes ahead with the result of its run, and when it waits for the runtime to deliver it. */
import { setTimeout as realDelay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

const results = (h: LiveHarness<Ctx>): (number | null)[] =>
  h.sent.flatMap((it) => (it.kind === "run-result" ? [it.deliveries] : []));

async function live(
  code: (ctx: Ctx) => unknown,
): Promise<{ h: LiveHarness<Ctx>; answer: unknown }> {
  const h = new LiveHarness<Ctx>(code);
  const request = h.core.invoke("object/k/run");
  await h.settle();
  await realDelay(20);
  await h.advance(1_000);
  await h.advance(1_000);
  return { h, answer: h.answerOf(request) };
}

test("with the result of a run that is all it waits for, step by step", async () => {
  const { h, answer } = await live(async (ctx) => [
    await ctx.run("a", () => 1),
    await ctx.run("b", async () => realDelay(1, 2)),
  ]);
  expect(answer).toEqual([1, 2]);
  expect(results(h)).toEqual([0, 1]);
  expect(h.core.told.get(1)?.some((it) => it.kind === "deliver")).toBe(false);
});

test("not beside another run, a sleep, or a closure whose result nobody wants", async () => {
  const { h, answer } = await live(async (ctx) => {
    await Promise.all([ctx.run("a", () => 1), ctx.run("b", () => 2)]);
    const nap = ctx.sleep(500);
    await ctx.run("c", () => 3);
    await nap;
    return "done";
  });
  expect(answer).toBe("done");
  // Of two the last one is alone, unless the delivery of the first is still to be made.
  expect(results(h)).toEqual([null, null, null]);
});

test("a cancellation that came first is seen first, although the code had gone ahead", async () => {
  const seen: string[] = [];
  const code = async (ctx: Ctx): Promise<string> => {
    try {
      seen.push(await ctx.run("a", () => "a"));
      return await ctx.run("b", () => {
        seen.push("b ran");
        return "b";
      });
    } catch {
      seen.push("cancelled");
      return ctx.run("undo", () => "undone");
    }
  };
  const cancel = (): void => {
    const invocationId = h.core.starts(1)[0]?.invocationId;
    if (invocationId) h.core.ask((request) => ({ kind: "cancel", request, invocationId }));
  };
  const h: LiveHarness<Ctx> = new LiveHarness<Ctx>(code, {
    // It is accepted while the result is on its way.
    filter: (message) => {
      if (message.kind === "run-result" && message.command === 0) cancel();
      return true;
    },
  });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  await h.advance(1_000);
  expect(h.answerOf(request)).toBe("undone");
  // By code that was ahead of the journal, and then by code that was not.
  expect([...new Set(seen)]).toEqual(["a", "cancelled"]);
  expect(results(h)[0]).toBe(0);
});
