import { expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

const AT = "n".repeat(512);
const OVER = `${AT}n`;

const CALLS: Readonly<Record<string, (ctx: WorkflowContext, name: string) => unknown>> = {
  set: (ctx, name) => ctx.set(name, 1),
  get: (ctx, name) => ctx.get(name),
  clear: (ctx, name) => ctx.clear(name),
  "peek of a promise": (ctx, name) => ctx.promise(name).peek(),
  "resolve of a promise": (ctx, name) => ctx.promise<number>(name).resolve(1),
};

async function outcomeOf(code: (ctx: WorkflowContext) => unknown): Promise<unknown> {
  const h = new LiveHarness<WorkflowContext>(code);
  const request = h.core.invoke("object/k/run");
  await h.settle();
  return h.core.responses.get(request);
}

test.each(Object.entries(CALLS))(
  "%s: a name over 512 bytes is refused at once",
  async (_, call) => {
    expect(await outcomeOf(async (ctx) => void (await call(ctx, OVER)))).toMatchObject({
      result: { ok: false, failure: { code: 400, message: expect.stringContaining("513 bytes") } },
    });
    expect(await outcomeOf(async (ctx) => void (await call(ctx, AT)))).toMatchObject({
      result: { ok: true },
    });
  },
);
