// One step in each of its modes, at an outside that a test can hold and that knows what it has done.
import { RunInterruptedError, serve, service } from "holdfast";

const OUTSIDE = process.env.OUTSIDE_URL;

async function outside(step, { signal, idempotencyToken }) {
  const response = await fetch(`${OUTSIDE}/${encodeURIComponent(step)}`, {
    method: "POST",
    headers: { "idempotency-key": idempotencyToken },
    signal,
  });
  return await response.json();
}

const charge = (id) => (run) => outside(`${id} charge`, run);

const steps = service({
  name: "steps",
  handlers: {
    atLeastOnce: (ctx, id) => ctx.run("charge", charge(id)),
    atMostOnce: async (ctx, id) => {
      try {
        return await ctx.run("charge", charge(id), { mode: "at-most-once" });
      } catch (error) {
        if (!(error instanceof RunInterruptedError)) throw error;
        return { interrupted: error.run, token: error.idempotencyToken };
      }
    },
    /** The outside says of what it holds that it did not happen, of what it has answered that it did. */
    probe: (ctx, id) =>
      ctx.run("charge", charge(id), {
        probe: async (run) => {
          const found = await outside(`${id} find`, run);
          return found === "none" ? { happened: false } : { happened: true, value: found };
        },
      }),
  },
});

await serve({ services: [steps] });
