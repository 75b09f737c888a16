/**
 * Keyed state: one counter per name, one call at a time per name.
 *
 *   npx holdfast start                       # in one terminal
 *   node dist/examples/01-counter.js         # in another
 *   curl localhost:8080/counter/ann/add --json 2
 *
 * Kill either process in between: the count stays.
 */
import { fileURLToPath } from "node:url";
import { handlers, object, serve, type ObjectContext, type ObjectSharedContext } from "holdfast";

export const counter = object({
  name: "counter",
  handlers: {
    /** Exclusive: calls for one name wait for each other, so this needs no lock. */
    add: async (ctx: ObjectContext, amount: number): Promise<number> => {
      const total = ((await ctx.get<number>("total")) ?? 0) + amount;
      ctx.set("total", total);
      return total;
    },
    /** Shared: reads beside whatever runs. */
    total: handlers.object.shared(
      async (ctx: ObjectSharedContext): Promise<number> => (await ctx.get<number>("total")) ?? 0,
    ),
  },
});

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve({ services: [counter] });
