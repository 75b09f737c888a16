/** Members of ctx are bound when they are asked for: a handler must not see more of that than its cost. */
import { inspect } from "node:util";
import { expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness, type Code } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

async function resultOf(code: Code<Ctx>): Promise<unknown> {
  const h = new LiveHarness<Ctx>(code);
  const request = h.core.invoke("flow/k/run");
  await h.advance(10);
  return h.answerOf(request);
}

test("members that are taken out of ctx work without it", async () => {
  // oxlint-disable-next-line typescript/unbound-method -- members without their ctx are what is claimed here
  const result = await resultOf(async ({ key, run, sleep, get, set, date, request, patched }) => {
    set("a", 1);
    await sleep(1);
    const seen = [key, await run("r", () => "ran"), await get("a"), request().target.handler];
    return [...seen, typeof (await date.now()), patched("p")];
  });
  expect(result).toEqual(["k", "ran", 1, "run", "number", true]);
});

test("a member is the same each time it is asked for", async () => {
  const result = await resultOf((ctx) =>
    (["get", "run", "sleep", "date", "rand", "console", "serviceClient", "signal"] as const).filter(
      (name) => ctx[name] !== ctx[name],
    ),
  );
  expect(result).toEqual([]);
});

test.each<[string, (ctx: Ctx) => Ctx]>([
  ["inherits from it", (ctx) => Object.create(ctx) as Ctx],
  ["is a proxy of it", (ctx) => new Proxy(ctx, {})],
  [
    "is a proxy of it that hands itself on",
    (ctx) => new Proxy(ctx, { get: (it, name, self): unknown => Reflect.get(it, name, self) }),
  ],
])("what %s shares what was bound: no random number comes twice", async (_what, wrap) => {
  const result = await resultOf(async (ctx) => {
    const other = wrap(ctx);
    const drawn = [ctx.rand.uuidv4(), other.rand.uuidv4(), ctx.rand.uuidv4(), other.rand.uuidv4()];
    return [new Set(drawn).size, await other.run("r", () => "ran")];
  });
  expect(result).toEqual([4, "ran"]);
});

test.each<[string, (ctx: Ctx) => Ctx]>([
  ["ctx itself", (ctx) => ctx],
  ["what inherits from it", (ctx) => Object.create(ctx) as Ctx],
])("a member of %s can be replaced, as whoever traces its calls does", async (_what, wrap) => {
  const result = await resultOf(async (ctx) => {
    const own = wrap(ctx);
    const run: Ctx["run"] = own.run.bind(own);
    own.run = (async () => ["traced", await run("r", () => "ran")]) as unknown as Ctx["run"]; // no more is called here
    return await own.run("r", () => "not this one");
  });
  expect(result).toEqual(["traced", "ran"]);
});

test("a log of ctx says nothing of what stands behind it", async () => {
  const result = await resultOf((ctx) => [
    Object.keys(ctx),
    JSON.stringify(ctx),
    inspect(ctx, { depth: 9 }),
  ]);
  expect(result).toEqual([[], "{}", "Context {}"]);
});

test("whoever asks for the signal of an attempt that is over is told so", async () => {
  let kept: Ctx | undefined;
  await resultOf((ctx) => {
    kept = ctx;
    return 1;
  });
  const signal = kept?.request().attemptCompletedSignal;
  expect([signal?.aborted, String(signal?.reason)]).toEqual([true, "Error: the handler has ended"]);
});
