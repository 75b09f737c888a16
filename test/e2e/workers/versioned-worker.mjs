// The same services in two versions of the code: which one ran is part of the answer.
import { object, serve, service } from "holdfast";

const version = process.env.HOLDFAST_VERSION;

const order = service({
  name: "order",
  handlers: {
    /** Waits until somebody completes the awakeable, whatever is deployed meanwhile. */
    place: async (ctx) => {
      const began = version;
      await ctx.awakeable().promise;
      return { began, ended: version };
    },
    charge: async (ctx) => await ctx.run("charge", () => version),
  },
});

const account = object({
  name: "account",
  handlers: { hold: async (ctx) => await ctx.awakeable().promise, touch: async () => version },
});

await serve({ services: [order, account] });
