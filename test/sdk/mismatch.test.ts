/** T9: code that does not match its journal backs off under its policy, and goes on once it is mended. */
import { describe, expect, test } from "vitest";
import { DEFAULT_RETRY_POLICY } from "../../protocol/retry.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
let charges = 0;

const original = async (ctx: Ctx): Promise<unknown> => {
  const charged = await ctx.run("charge", () => ++charges);
  await ctx.sleep(1_000);
  return [charged, await ctx.run("ship", () => "shipped")];
};
const broken = async (ctx: Ctx): Promise<unknown> => {
  await ctx.run("reserve", () => 1);
  return ctx.sleep(1_000);
};

describe("after a mismatch", () => {
  test("an invocation is tried again with growing waits, and goes on by itself with mended code", async () => {
    charges = 0;
    const h = new LiveHarness<Ctx>(original);
    const request = h.core.invoke("object/k/run");
    await h.settle();
    h.code = broken;
    h.crashWorker();
    for (let i = 0; i < 100; i++) await h.advance(1_000);
    const fails = h.sent.flatMap((it) => (it.kind === "fail" ? [it] : []));
    expect(fails.every((it) => it.failure.code === 570 && it.command === 0)).toBe(true);
    expect(fails.length).toBeGreaterThan(5);
    expect(fails.length).toBeLessThan(25);
    h.code = original;
    await h.advance(15_000);
    expect(h.answerOf(request)).toEqual([1, "shipped"]);
    expect(charges).toBe(1);
  });

  test("one that its policy paused goes on when it is resumed", async () => {
    charges = 0;
    const retry = { ...DEFAULT_RETRY_POLICY, maxAttempts: 3 };
    const h = new LiveHarness<Ctx>(original, { retry });
    const request = h.core.invoke("object/k/run", { mode: "send" });
    const invocationId = h.core.admittedId(request);
    await h.settle();
    h.code = broken;
    h.crashWorker();
    for (let i = 0; i < 5; i++) await h.advance(10_000);
    expect(h.sent.filter((it) => it.kind === "fail")).toHaveLength(3);
    h.code = original;
    await h.advance(10_000);
    h.core.ask((ask) => ({ kind: "resume", request: ask, invocationId }));
    await h.settle();
    const ref = { kind: "id", invocationId } as const;
    h.core.ask((ask) => ({ kind: "output", request: ask, ref }));
    expect(h.answerOf([...h.core.responses.keys()].at(-1) ?? 0)).toEqual([1, "shipped"]);
    expect(charges).toBe(1);
  });
});
