// One handler in three versions of its code, chosen by CODE: what a replay meets after an edit.
import { serve, service } from "holdfast";

const first = async (ctx) => {
  const a = await ctx.run("charge", () => "charged");
  await ctx.awakeable().promise;
  return a;
};

const changed = async (ctx) => {
  const a = await ctx.run("reserve", () => "reserved");
  await ctx.awakeable().promise;
  return a;
};

const order = service({
  name: "order",
  handlers: { place: process.env.CODE === "changed" ? changed : first },
});

await serve({ services: [order] });
