/**
 * The services that are measured. The same code runs on both peers: their SDKs have the same names.
 *
 * What a handler does is counted in the memory of its worker (`tally`), so that the bench can tell
 * whether the work was done, and whether any of it was done twice.
 */
import type {
  Context,
  ObjectContext,
  object as makeObject,
  service as makeService,
} from "holdfast";
import type { Tally } from "./worker-control.ts";

export interface SdkForServices {
  readonly object: typeof makeObject;
  readonly service: typeof makeService;
}

export interface FanOut {
  readonly messages: number;
  readonly keys: number;
}

export interface StateFill {
  readonly names: number;
  readonly bytes: number;
}

type AnyService = ReturnType<SdkForServices["object"]> | ReturnType<SdkForServices["service"]>;

export function makeServices({ object, service }: SdkForServices, tally: Tally): AnyService[] {
  const counter = makeCounter(object, tally);
  const chain = service({
    name: "chain",
    handlers: {
      five: async (ctx: Context, first: string) => {
        let sum = 0;
        for (let call = 0; call < 5; call++) {
          sum += await ctx.objectClient(counter, `${first}-${call}`).add(1);
        }
        return sum;
      },
    },
  });
  const fan = service({
    name: "fan",
    handlers: {
      out: async (ctx: Context, { messages, keys }: FanOut) => {
        for (let message = 0; message < messages; message++) {
          ctx.objectSendClient(counter, `k${message % keys}`).add(1);
        }
        return messages;
      },
    },
  });
  const sleeper = service({
    name: "sleeper",
    handlers: {
      until: async (ctx: Context, dueMs: number) => {
        const now = await ctx.date.now();
        tally.add("asleep");
        await ctx.sleep(Math.max(1, dueMs - now));
        tally.record(Date.now() - dueMs);
        return 1;
      },
    },
  });
  return [counter, makeSteps(service, tally), chain, fan, sleeper, makeHolder(object)];
}

// Its clients are typed by what it gives back, so that type is left to be inferred.
function makeCounter(object: SdkForServices["object"], tally: Tally) {
  return object({
    name: "counter",
    handlers: {
      add: async (ctx: ObjectContext, amount: number) => {
        const total = ((await ctx.get<number>("total")) ?? 0) + amount;
        ctx.set("total", total);
        tally.add("adds");
        return total;
      },
      read: async (ctx: ObjectContext) => (await ctx.get<number>("total")) ?? 0,
      /** Keeps the key until someone outside lets it go, so that others have to wait for it. */
      hold: async (ctx: ObjectContext) => {
        const { id, promise } = ctx.awakeable<null>();
        tally.note("holding", id);
        await promise;
        return 0;
      },
    },
  });
}

function makeSteps(service: SdkForServices["service"], tally: Tally): AnyService {
  return service({
    name: "steps",
    handlers: {
      run: async (ctx: Context, count: number) => {
        let sum = 0;
        for (let step = 0; step < count; step++) {
          sum += await ctx.run("step", () => {
            tally.add("steps");
            return 1;
          });
        }
        return sum;
      },
      /** Records when each step was done. */
      timed: async (ctx: Context, count: number) => {
        let sum = 0;
        for (let step = 0; step < count; step++) {
          sum += await ctx.run("step", () => 1);
          tally.record(performance.now());
        }
        return sum;
      },
    },
  });
}

function makeHolder(object: SdkForServices["object"]): AnyService {
  return object({
    name: "holder",
    handlers: {
      set: async (ctx: ObjectContext, bytes: number) => {
        ctx.set("value", "x".repeat(bytes));
        return bytes;
      },
      fill: async (ctx: ObjectContext, { names, bytes }: StateFill) => {
        for (let name = 0; name < names; name++) ctx.set(`n${name}`, "x".repeat(bytes));
        return names;
      },
      /** All values, one after the other, as most code is written. */
      readAll: async (ctx: ObjectContext) => {
        let bytes = 0;
        for (const name of await ctx.stateKeys()) {
          bytes += (await ctx.get<string>(name))?.length ?? 0;
        }
        return bytes;
      },
      nothing: async () => 0,
    },
  });
}
