// The handlers of the kill loop. Whatever they did shows in a list: entries in order, each with the
// numbers that the outside gave to its steps.
import { CancelledError, object, RunInterruptedError, serve, service, workflow } from "holdfast";

const OUTSIDE = process.env.OUTSIDE_URL;

async function outside(step, { signal, idempotencyToken }) {
  const response = await fetch(`${OUTSIDE}/${encodeURIComponent(step)}`, {
    method: "POST",
    headers: { "idempotency-key": idempotencyToken, "x-worker": String(process.pid) },
    signal,
  });
  return await response.json();
}

async function add(ctx, id, numbers) {
  const entries = (await ctx.get("entries")) ?? [];
  ctx.set("entries", [...entries, { id, numbers }]);
  return { place: entries.length, numbers };
}

const step = (ctx, name, options) => ctx.run(name, (run) => outside(name, run), options);

const list = object({
  name: "list",
  handlers: {
    append: (ctx, id) => add(ctx, id, []),
    step: async (ctx, id) => add(ctx, id, [await step(ctx, `${id} #0`)]),
    fan: async (ctx, id) =>
      add(ctx, id, await Promise.all([0, 1, 2].map((i) => step(ctx, `${id} #${i}`)))),
    once: async (ctx, id) => {
      try {
        return await add(ctx, id, [await step(ctx, `${id} #0`, { mode: "at-most-once" })]);
      } catch (error) {
        if (!(error instanceof RunInterruptedError)) throw error;
        return add(ctx, id, [null]);
      }
    },
    nap: async (ctx, id) => {
      await ctx.sleep(20);
      return add(ctx, id, []);
    },
    race: async (ctx, id) => {
      const slow = ctx.sleep(60_000).then(() => null);
      return add(ctx, id, [await Promise.race([slow, step(ctx, `${id} #0`)])]);
    },
    wait: async (ctx, id) => {
      const awakeable = ctx.awakeable();
      await ctx.run("ask", (run) => outside(`wake ${awakeable.id}`, run));
      return add(ctx, id, [await awakeable.promise]);
    },
    /** Until it is cancelled: then it leaves its entry, as a compensation would. */
    hold: async (ctx, id) => {
      try {
        return await ctx.awakeable().promise;
      } catch (error) {
        if (!(error instanceof CancelledError)) throw error;
        return add(ctx, id, []);
      }
    },
    read: async (ctx) => (await ctx.get("entries")) ?? [],
    clear: (ctx) => ctx.clearAll(),
  },
});

const relay = service({
  name: "relay",
  handlers: {
    /** Two calls and a send: each child once, however often this one is started. */
    chain: async (ctx, { id, keys }) => {
      const first = await ctx.objectClient(list, keys[0]).append(`${id} 0`);
      ctx.objectSendClient(list, keys[2]).append(`${id} 2`);
      const second = await ctx.objectClient(list, keys[1]).step(`${id} 1`);
      return [first, second];
    },
  },
});

const flow = workflow({
  name: "flow",
  handlers: {
    run: async (ctx, { id, key }) => {
      await ctx.promise("confirmed");
      return ctx.objectClient(list, key).append(id);
    },
    confirm: async (ctx) => {
      // The second one is refused: it was confirmed already.
      await ctx
        .promise("confirmed")
        .resolve(true)
        .catch(() => undefined);
    },
  },
});

await serve({ services: [list, relay, flow] });
