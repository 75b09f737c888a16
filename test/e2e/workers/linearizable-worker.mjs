// A counter, a register and a list, with a durable step in the middle of some changes: a kill lands there.
import { handlers, object, serve } from "holdfast";

const shared = handlers.object.shared;
const pause = (ctx) => ctx.run("pause", () => 0);

const counter = object({
  name: "counter",
  handlers: {
    add: async (ctx, { amount, slowly }) => {
      const value = ((await ctx.get("value")) ?? 0) + amount;
      if (slowly) await pause(ctx);
      ctx.set("value", value);
      return value;
    },
    read: shared(async (ctx) => (await ctx.get("value")) ?? 0),
  },
});

const register = object({
  name: "register",
  handlers: {
    swap: async (ctx, { value, slowly }) => {
      const before = (await ctx.get("value")) ?? null;
      ctx.set("value", value);
      if (slowly) await pause(ctx);
      return before;
    },
    read: shared(async (ctx) => (await ctx.get("value")) ?? null),
  },
});

const list = object({
  name: "list",
  handlers: {
    append: async (ctx, { entry, slowly }) => {
      const entries = [...((await ctx.get("entries")) ?? []), entry];
      if (slowly) await pause(ctx);
      ctx.set("entries", entries);
      return entries.length;
    },
    read: shared(async (ctx) => (await ctx.get("entries")) ?? []),
  },
});

await serve({ services: [counter, register, list] });
