/**
 * What to do when nobody knows whether a step happened: its worker was killed, or the connection broke,
 * after the request had left. Each step here says what it wants then.
 *
 *   curl localhost:8080/payout/send --json '{"to":"ann","cents":500}'
 *
 * Kill the worker while it runs, and start it again: the money moves once.
 */
import { fileURLToPath } from "node:url";
import { RunInterruptedError, serve, service, type Context } from "holdfast";

export interface Payout {
  readonly to: string;
  readonly cents: number;
}

export const payout = service({
  name: "payout",
  handlers: {
    send: async (ctx: Context, { to, cents }: Payout): Promise<string> => {
      // The bank can be asked: ask before a second try, and take what it knows as the result.
      const transfer = await ctx.run(
        "transfer",
        ({ idempotencyToken }) => bank.transfer(idempotencyToken, to, cents),
        {
          probe: ({ idempotencyToken }) => {
            const found = bank.find(idempotencyToken);
            return found === undefined ? { happened: false } : { happened: true, value: found };
          },
        },
      );

      // The printer can be neither asked nor undone: rather no letter than two, and a person decides.
      try {
        await ctx.run("print a letter", () => printer.print(transfer), { mode: "at-most-once" });
      } catch (error) {
        if (!(error instanceof RunInterruptedError)) throw error;
        await ctx.run("note", () => notes.push(`printed or not? ${error.idempotencyToken}`));
      }

      // A message twice is no harm: the default.
      await ctx.run("tell them", () => notes.push(`${to}: ${transfer} is on its way`));
      return transfer;
    },
  },
});

/** Stands for a bank whose answers get lost now and then, after it has moved the money. */
export const bank = {
  transfers: new Map<string, string>(),
  losesAnswer: false,
  transfer(token: string, to: string, cents: number): string {
    this.transfers.set(token, `transfer of ${cents} to ${to}`);
    if (this.losesAnswer) throw new Error("connection reset");
    return `transfer of ${cents} to ${to}`;
  },
  find(token: string): string | undefined {
    return this.transfers.get(token);
  },
};

export const printer = {
  printed: [] as string[],
  print(text: string): void {
    this.printed.push(text);
  },
};

export const notes: string[] = [];

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve({ services: [payout] });
