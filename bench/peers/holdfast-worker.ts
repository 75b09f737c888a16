/** The worker of Holdfast. */
import { object, serve, service, type Context } from "holdfast";
import { makeServices } from "../services.ts";
import { Tally } from "../worker-control.ts";

const tally = new Tally();
tally.attach();
const moreServices = Number(process.env["BENCH_MORE_SERVICES"] ?? 0);
const more = Array.from({ length: moreServices }, (_, number) =>
  service({ name: `more${number}`, handlers: { nothing: async (_ctx: Context) => number } }),
);
await serve({ services: [...makeServices({ object, service }, tally), ...more] });
