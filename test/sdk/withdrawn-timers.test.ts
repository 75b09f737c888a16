/**
 * The timer under an `orTimeout` that was settled in time is nothing that an attempt waits for.
 *
 * Found by the simulation (seed 5000017). The timer was taken back in the runtime, and stayed on the
 * SDK's list of what is outstanding for the rest of the attempt. So the attempt seemed to wait for more
 * than calls, and a deadlock that it was part of was never found; and while the code awaited something
 * of its own, the attempt seemed to wait only for the runtime: it was suspended, and nothing woke it.
 */
import { expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

const inTime = (ctx: Ctx): Promise<number> => ctx.run("quick", () => 1).orTimeout(60_000);

test("a deadlock behind it is found", async () => {
  const h = new LiveHarness<Ctx>(async (ctx, input) => {
    if (input === "called") return "late";
    await inTime(ctx);
    const call = { service: "object", method: "run", key: "a", parameter: "called" };
    const error = await ctx.genericCall(call).catch((thrown: unknown) => thrown);
    return error instanceof Error ? error.name : "an answer";
  });
  const request = h.core.invoke("object/a/run", { body: '"asked"' });
  await h.settle();
  expect(h.answerOf(request)).toBe("DeadlockError");
});

test("an attempt that awaits something of its own behind it is not suspended, live and on replay", async () => {
  let own: () => void = () => undefined;
  const h = new LiveHarness<Ctx>(async (ctx) => {
    await inTime(ctx);
    await new Promise<void>((resolve) => (own = resolve));
    return "done";
  });
  const request = h.core.invoke("object/a/run");
  for (const again of [false, true]) {
    if (again) h.crashWorker();
    await h.settle();
    h.suspendAll();
    await h.settle();
    expect(h.sent.at(-1)?.kind).not.toBe("suspend");
  }
  own();
  await h.settle();
  expect(h.answerOf(request)).toBe("done");
});
