// The handlers that the crash tests kill: each reaches outside at a point where a test can hold it.
import { object, serve, service } from "holdfast";

const OUTSIDE = process.env.OUTSIDE_URL;

async function outside(step, { signal, idempotencyToken }) {
  const response = await fetch(`${OUTSIDE}/${encodeURIComponent(step)}`, {
    method: "POST",
    headers: { "idempotency-key": idempotencyToken },
    signal,
  });
  return await response.json();
}

const step = (ctx, name) => ctx.run(name, (run) => outside(name, run));

/** A list that remembers who wrote to it, in order. */
const list = object({
  name: "list",
  handlers: {
    append: async (ctx, entry) => {
      const entries = (await ctx.get("entries")) ?? [];
      ctx.set("entries", [...entries, entry]);
      return entries.length + 1;
    },
    /** The same with a step in the middle: a kill here must neither lose nor double the entry. */
    appendSlowly: async (ctx, entry) => {
      const entries = (await ctx.get("entries")) ?? [];
      ctx.set("entries", [...entries, entry]);
      await step(ctx, `append ${entry}`);
      return entries.length + 1;
    },
    read: async (ctx) => (await ctx.get("entries")) ?? [],
  },
});

const scenario = service({
  name: "scenario",
  handlers: {
    run: async (ctx, id) => {
      const before = await step(ctx, `${id} before`);
      const held = await step(ctx, `${id} held`);
      const after = await step(ctx, `${id} after`);
      return [before, held, after];
    },
    sleep: async (ctx, id) => {
      const before = await step(ctx, `${id} before`);
      await ctx.sleep(1_500);
      const after = await step(ctx, `${id} after`);
      return [before, after];
    },
    chain: async (ctx, id) => {
      const lists = [];
      for (const key of ["one", "two", "three"]) {
        lists.push(await ctx.objectClient(list, `${id} ${key}`).appendSlowly(key));
      }
      return lists;
    },
    fanOut: async (ctx, id) => {
      const branches = Array.from({ length: 8 }, (_, i) => step(ctx, `${id} branch ${i}`));
      const joined = await Promise.all(branches);
      await ctx.objectClient(list, id).append(joined.length);
      return joined;
    },
  },
});

await serve({ services: [list, scenario] });
