/** Money by account id: one change at a time, none of them twice. */
import {
  handlers,
  object,
  TerminalError,
  type ObjectContext,
  type ObjectSharedContext,
} from "holdfast";

const OPENING_BALANCE = 100;

async function change(ctx: ObjectContext, by: number): Promise<number> {
  const balance = ((await ctx.get<number>("balance")) ?? OPENING_BALANCE) + by;
  if (balance < 0) {
    throw new TerminalError(`account ${ctx.key} does not have that much`, { errorCode: 409 });
  }
  ctx.set("balance", balance);
  return balance;
}

function checked(amount: number): number {
  if (Number.isFinite(amount) && amount > 0) return amount;
  throw new TerminalError(`${amount} is not an amount`, { errorCode: 400 });
}

export const account = object({
  name: "account",
  handlers: {
    debit: async (ctx: ObjectContext, amount: number): Promise<number> =>
      change(ctx, -checked(amount)),
    credit: async (ctx: ObjectContext, amount: number): Promise<number> =>
      change(ctx, checked(amount)),
    balance: handlers.object.shared(
      async (ctx: ObjectSharedContext): Promise<number> =>
        (await ctx.get<number>("balance")) ?? OPENING_BALANCE,
    ),
  },
});
