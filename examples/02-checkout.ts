/**
 * A checkout that cleans up after itself: what was done is undone in reverse order when a later step
 * fails for good, or when somebody cancels it.
 *
 *   curl localhost:8080/checkout/place --json '{"item":"kettle","card":"declined"}'
 *
 * Look at the journal: npx holdfast invocations describe <id>
 */
import { fileURLToPath } from "node:url";
import { object, serve, service, TerminalError, type Context, type ObjectContext } from "holdfast";

export interface Order {
  readonly item: string;
  readonly card: string;
}

export const stock = object({
  name: "stock",
  handlers: {
    reserve: async (ctx: ObjectContext): Promise<number> => {
      const left = ((await ctx.get<number>("left")) ?? 3) - 1;
      if (left < 0) throw new TerminalError(`${ctx.key} is sold out`, { errorCode: 409 });
      ctx.set("left", left);
      return left;
    },
    release: async (ctx: ObjectContext): Promise<number> => {
      const left = ((await ctx.get<number>("left")) ?? 3) + 1;
      ctx.set("left", left);
      return left;
    },
  },
});

export const checkout = service({
  name: "checkout",
  handlers: {
    place: async (ctx: Context, order: Order): Promise<string> => {
      const undo: (() => Promise<unknown>)[] = [];
      try {
        await ctx.objectClient(stock, order.item).reserve();
        undo.push(() => ctx.objectClient(stock, order.item).release());

        // Reaching outside: recorded once, and sent with a token that is the same on every try.
        const receipt = await ctx.run("charge the card", ({ idempotencyToken }) =>
          charge(order.card, idempotencyToken),
        );
        return receipt;
      } catch (error) {
        // Terminal errors and cancellations come here; anything else was tried again before.
        if (error instanceof TerminalError) for (const step of undo.reverse()) await step();
        throw error;
      }
    },
  },
});

/** Stands for a payment service. */
function charge(card: string, idempotencyToken: string): string {
  if (card === "declined") throw new TerminalError("the card was declined", { errorCode: 402 });
  return `charged ${card} (${idempotencyToken.slice(-4)})`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await serve({ services: [checkout, stock] });
}
