/**
 * An attempt that only waits makes room, whatever became of its runs.
 *
 * Found by the simulation: a run whose recorded result is a failure was never struck off the list of
 * runs on replay, and a run that a cancellation reached in mid-execution kept its proposal for ever.
 * Either way the attempt counted as busy for the rest of its life: never suspended, its place on the
 * worker never free. With one place per worker, a call to a callee of the same worker never ended.
 */
import { expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { CancelledError, TerminalError } from "../../sdk/errors.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
type Harness = LiveHarness<Ctx>;

const statusOf = (h: Harness): unknown => h.sent.at(-1)?.kind;

async function suspends(h: Harness): Promise<boolean> {
  await h.settle();
  h.suspendAll();
  await h.settle();
  return statusOf(h) === "suspend";
}

test("a run that failed for good is no work on replay", async () => {
  const h = new LiveHarness<Ctx>(async (ctx) => {
    await ctx
      .run("fails", () => {
        throw new TerminalError("no");
      })
      .catch(() => undefined);
    await ctx.sleep(60_000);
  });
  h.core.invoke("object/k/run");
  await h.settle();
  h.crashWorker();
  expect(await suspends(h)).toBe(true);
});

test("a run that exhausted its tries is no work on replay", async () => {
  const h = new LiveHarness<Ctx>(async (ctx) => {
    const failing = (): never => {
      throw new Error("no");
    };
    await ctx.run("fails", failing, { maxRetryAttempts: 1 }).catch(() => undefined);
    await ctx.sleep(60_000);
  });
  h.core.invoke("object/k/run");
  await h.settle();
  h.crashWorker();
  expect(await suspends(h)).toBe(true);
});

test("a run that was cancelled as it executed is no work once it has ended", async () => {
  let finish: (value: string) => void = () => undefined;
  const h = new LiveHarness<Ctx>(async (ctx) => {
    await ctx
      .run("long", () => new Promise<string>((resolve) => (finish = resolve)))
      .catch((error: unknown) => {
        if (!(error instanceof CancelledError)) throw error;
      });
    await ctx.sleep(60_000);
  });
  const request = h.core.invoke("object/k/run", { mode: "send" });
  await h.settle();
  const accepted = h.core.responses.get(request);
  const id = (accepted?.kind === "accepted" ? accepted.invocationId : "") as InvocationId;
  h.core.ask((asked) => ({ kind: "cancel", request: asked, invocationId: id }));
  expect(await suspends(h)).toBe(false);
  finish("too late");
  expect(await suspends(h)).toBe(true);
});
