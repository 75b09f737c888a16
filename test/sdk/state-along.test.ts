/** State beyond the limit of a start: read quickly, never older than what the attempt has set itself. */
import { describe, expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { StateView } from "../../sdk/attempt/state-view.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what an answer brought along", () => {
  const learnt = (change: (view: StateView) => void): StateView => {
    const view = new StateView({ complete: false, entries: [] });
    change(view);
    view.learn([["a", bytes("old")]]);
    return view;
  };

  test("is known from then on, and says nothing of what else there is", () => {
    const view = learnt(() => undefined);
    expect(view.get("a")).toEqual(bytes("old"));
    expect(view.get("b")).toBeUndefined();
    expect(view.keys()).toBeUndefined();
  });

  test("is older than what the attempt has set, cleared, or cleared with all", () => {
    expect(learnt((view) => view.set("a", bytes("new"))).get("a")).toEqual(bytes("new"));
    expect(learnt((view) => view.set("a", null)).get("a")).toBeNull();
    const cleared = learnt((view) => view.clearAll());
    expect([cleared.get("a"), cleared.keys()]).toEqual([null, []]);
  });
});

const COUNT = 500;
const NAMES = Array.from({ length: COUNT }, (_, at) => `n${at}`);

async function world(code: (ctx: Ctx) => unknown): Promise<LiveHarness<Ctx>> {
  const fill = (ctx: Ctx): void => {
    for (const name of NAMES) ctx.set(name, `value of ${name}`);
  };
  const h = new LiveHarness<Ctx>(fill, { limits: { eagerStateBytesMax: 0 } });
  h.core.invoke("object/k/run");
  await h.settle();
  h.code = code;
  h.sent.length = 0;
  return h;
}

const countOf = (h: LiveHarness<Ctx>, kind: string): number =>
  h.commands().filter((it) => it === kind).length;

describe("a handler", () => {
  test("reads many values in a few round trips, in whatever order", async () => {
    const h = await world(async (ctx) => {
      let right = 0;
      for (const name of NAMES) if ((await ctx.get(name)) === `value of ${name}`) right++;
      return right;
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    expect(h.answerOf(request)).toBe(COUNT);
    expect(countOf(h, "get-state")).toBeLessThanOrEqual(2);
    expect(countOf(h, "get-state") + countOf(h, "get-state-here")).toBe(COUNT);
  });

  test("reads what it has set while the read was under way", async () => {
    const h = await world(async (ctx) => {
      const read = ctx.get("n0");
      ctx.set("n1", "new");
      ctx.clear("n2");
      return [await read, await ctx.get("n1"), await ctx.get("n2"), await ctx.get("n3")];
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    expect(h.answerOf(request)).toEqual(["value of n0", "new", null, "value of n3"]);
    expect(countOf(h, "get-state")).toBe(1);
  });

  test("reads the same in a replay, in which nothing is brought along", async () => {
    const seen: unknown[][] = [];
    const h = await world(async (ctx) => {
      const values = [await ctx.get("n0"), await ctx.get("n1")];
      ctx.set("n1", "new");
      values.push(await ctx.get("n1"), await ctx.get("n2"));
      seen.push(values);
      await ctx.sleep(1_000);
      return [...values, await ctx.get("n1"), await ctx.get("n3")];
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    h.crashWorker();
    await h.advance(1_000);
    expect(seen).toEqual([seen[0], seen[0]]);
    const values = ["value of n0", "value of n1", "new", "value of n2", "new", "value of n3"];
    expect(h.answerOf(request)).toEqual(values);
  });
});
