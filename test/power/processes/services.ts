/**
 * The services of a recording. Handlers leave two marks per invocation, before and after a step, so
 * that two of one key that overlap, one that is lost and one that comes twice all show in the list.
 */
import { object, service } from "../../../sdk/index.ts";

export const VERSION = "power";

const list = object({
  name: "list",
  handlers: {
    append: async (ctx, entry: string): Promise<{ entry: string; place: number }> => {
      const before = (await ctx.get<string[]>("entries")) ?? [];
      ctx.set("entries", [...before, `${entry}<`]);
      await ctx.run("step", () => entry);
      const between = (await ctx.get<string[]>("entries")) ?? [];
      ctx.set("entries", [...between, `${entry}>`]);
      return { entry, place: before.length };
    },
    nap: async (ctx, entry: string): Promise<{ entry: string; place: number }> => {
      const before = (await ctx.get<string[]>("entries")) ?? [];
      ctx.set("entries", [...before, `${entry}<`]);
      await ctx.sleep(10);
      const between = (await ctx.get<string[]>("entries")) ?? [];
      ctx.set("entries", [...between, `${entry}>`]);
      return { entry, place: before.length };
    },
  },
});

const relay = service({
  name: "relay",
  handlers: {
    /** Calls one list and sends to the next: both once, whatever happens in between. */
    forward: async (
      ctx,
      { keys, entry }: { keys: [string, string]; entry: string },
    ): Promise<{ entry: string; place: number }> => {
      ctx.objectSendClient(list, keys[1]).append(`${entry}-sent`);
      return ctx.objectClient(list, keys[0]).append(`${entry}-called`);
    },
  },
});

export const SERVICES = [list, relay] as const;
