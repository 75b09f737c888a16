// A key that ends the worker's process each time, beside others that do a few steps.
import { object, serve } from "holdfast";

const list = object({
  name: "list",
  handlers: {
    fill: async (ctx, count) => {
      if (ctx.key === "poison") process.kill(process.pid, "SIGKILL");
      for (let i = 0; i < count; i++) await ctx.run(`step ${i}`, () => i);
      return count;
    },
  },
});

await serve({ services: [list] });
