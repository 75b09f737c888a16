/** Deadlocks as user code meets them: found by what the SDK says of its attempts. */
import { setTimeout as realDelay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { DeadlockError, TimeoutError } from "../../sdk/errors.ts";
import type { ObjectContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = ObjectContext;
const callTo = (ctx: Ctx, key: string, method = "run") =>
  ctx.genericCall<unknown, string>({ service: "object", method, key, parameter: "called" });

async function answerOf(code: (ctx: Ctx, input: unknown) => unknown): Promise<unknown> {
  const h = new LiveHarness<Ctx>(code);
  const request = h.core.invoke("object/a/run", { body: '"asked"' });
  await h.settle();
  return h.answerOf(request);
}

describe("a call that can never come back", () => {
  test("fails with DeadlockError, which the code may catch", async () => {
    const answer = await answerOf(async (ctx) => {
      const error = await callTo(ctx, "a").catch((thrown: unknown) => thrown);
      return error instanceof DeadlockError && error.code === 409 ? "went another way" : error;
    });
    expect(answer).toBe("went another way");
  });

  test("ends the invocation when it is not caught", async () => {
    const answer = await answerOf((ctx) => callTo(ctx, "a"));
    expect(answer).toMatch(/^409 deadlock: object\/a\/run inv_/);
  });

  test("is seen behind Promise.all, and from outside a turn", async () => {
    const all = await answerOf((ctx, input) =>
      input === "called" ? "ok" : Promise.all([callTo(ctx, "a"), callTo(ctx, "b", "read")]),
    );
    expect(all).toMatch(/^409 deadlock/);
    const h = new LiveHarness<Ctx>(async (ctx) => {
      await realDelay(5);
      return callTo(ctx, "a");
    });
    const request = h.core.invoke("object/a/run");
    while (!h.warnings.some((it) => it.includes("outside a turn"))) await h.settle();
    await h.settle();
    expect(h.answerOf(request)).toMatch(/^409 deadlock/);
  });

  test("comes out the same in a replay", async () => {
    const seen: string[] = [];
    const h = new LiveHarness<Ctx>(async (ctx, input) => {
      if (input === "called") return "ok";
      const error = await callTo(ctx, "a").catch((thrown: unknown) => thrown);
      seen.push(String(error));
      await ctx.sleep(10);
      return "done";
    });
    const request = h.core.invoke("object/a/run", { body: '"asked"' });
    await h.settle();
    h.crashWorker();
    await h.advance(10);
    expect(h.answerOf(request)).toBe("done");
    expect(seen.length).toBe(2);
    expect(seen[0]).toBe(seen[1]);
  });
});

describe("no deadlock is seen", () => {
  test("where the call has a timeout, inside a turn and outside", async () => {
    for (const outside of [false, true]) {
      const h = new LiveHarness<Ctx>(async (ctx, input) => {
        if (input === "called") return "late";
        if (outside) await realDelay(5);
        const error = await callTo(ctx, "a")
          .orTimeout(1_000)
          .catch((thrown: unknown) => thrown);
        return error instanceof TimeoutError ? "timed out" : String(error);
      });
      const request = h.core.invoke("object/a/run", { body: '"asked"' });
      while (!h.commands().includes("sleep")) await h.settle();
      await h.settle();
      expect(h.answerOf(request)).toBeUndefined();
      await h.advance(1_000);
      expect(h.answerOf(request)).toBe("timed out");
      expect(h.core.warnings).toEqual([]);
    }
  });

  test("where the call is not awaited", async () => {
    const h = new LiveHarness<Ctx>((ctx, input) => {
      if (input !== "called") void callTo(ctx, "a");
      return "done";
    });
    const request = h.core.invoke("object/a/run", { body: '"asked"' });
    await h.settle();
    expect(h.answerOf(request)).toBe("done");
    expect(h.core.warnings).toEqual([]);
  });
});

test("an attempt that issued a call from outside a turn is suspended like any other", async () => {
  // It was not: nobody looked again whether it only waits, so its memory was held until the answer.
  const h = new LiveHarness<Ctx>(async (ctx) => {
    await realDelay(5);
    await ctx.sleep(60_000);
    return "slept";
  });
  h.core.invoke("object/a/run");
  while (!h.commands().includes("sleep")) await h.settle();
  await h.settle();
  h.suspendAll();
  await h.settle();
  expect(h.sent.at(-1)).toMatchObject({ kind: "suspend" });
});
