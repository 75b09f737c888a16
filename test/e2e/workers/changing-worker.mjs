// One handler in several versions of its code, chosen by CODE: what a replay meets after an edit.
import { serve, service } from "holdfast";

const CODES = {
  original: async (ctx) => {
    const a = await ctx.run("charge", () => "charged");
    await ctx.awakeable().promise;
    return a;
  },
  changed: async (ctx) => {
    const a = await ctx.run("reserve", () => "reserved");
    await ctx.awakeable().promise;
    return a;
  },
  // The same change, made so that what is in flight goes on as it was.
  patched: async (ctx) => {
    const a = ctx.patched("reserve")
      ? await ctx.run("reserve", () => "reserved")
      : await ctx.run("charge", () => "charged");
    await ctx.awakeable().promise;
    return a;
  },
};

const { CODE = "original", MAX_ATTEMPTS } = process.env;
const retryPolicy =
  MAX_ATTEMPTS === undefined ? {} : { maxAttempts: Number(MAX_ATTEMPTS), onMaxAttempts: "pause" };
const order = service({
  name: "order",
  handlers: { place: CODES[CODE] },
  options: { retryPolicy },
});

await serve({ services: [order] });
