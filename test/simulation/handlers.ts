/** The handlers of the simulation: an interpreter of programs over the real SDK. */
import type { ObjectContext } from "../../sdk/context.ts";
import { TerminalError } from "../../sdk/errors.ts";
import type { Operation, Program } from "./program.ts";
import type { World } from "./world.ts";

/** What every handler of the simulation does. */
export async function execute(
  ctx: ObjectContext,
  world: World,
  program: Program,
): Promise<string[]> {
  const seen: string[] = [];
  for (const operation of program) seen.push(...(await perform(ctx, world, operation)));
  return seen;
}

async function perform(ctx: ObjectContext, world: World, it: Operation): Promise<string[]> {
  const invocationId = ctx.request().id;
  switch (it.op) {
    case "append": {
      const entries = (await ctx.get<string[]>("entries")) ?? [];
      ctx.set("entries", [...entries, it.id]);
      return [];
    }
    case "run": {
      const value = await ctx.run(it.id, ({ idempotencyToken }) =>
        world.execute(invocationId, it.id, idempotencyToken, it.fails),
      );
      world.observe(invocationId, it.id, value);
      return [value];
    }
    case "sleep":
      await ctx.sleep(it.ms);
      return [];
    case "detached-sleep":
      void ctx.sleep(it.ms);
      return [];
    case "date":
      return [`${it.id}@${await ctx.date.now()}`];
    case "awakeable": {
      const { id, promise } = ctx.awakeable<string>();
      await ctx.run(`${it.id} id`, () => {
        world.awakeables.push(id);
      });
      return [await promise];
    }
    case "call": {
      const client = ctx.genericCall<Program, string[]>({
        service: "cell",
        method: "run",
        key: it.key,
        parameter: it.program,
      });
      return [...(await client.catch(() => [`${it.id} failed`]))];
    }
    case "send":
      ctx.genericSend({
        service: "cell",
        method: "run",
        key: it.key,
        parameter: it.program,
        delay: it.delayMs,
      });
      return [];
    case "all": {
      const branches = it.branches.map((branch) => execute(ctx, world, branch));
      return (await Promise.all(branches)).flat();
    }
    case "race": {
      const slept = ctx.sleep(it.sleepMs).then(() => [`${it.id} slept`]);
      return Promise.race([slept, execute(ctx, world, it.program)]);
    }
    case "throw-transient":
      if (world.throwsAgain(invocationId, it.id, it.times))
        throw new Error(`${it.id} is transient`);
      return [];
    case "throw-terminal":
      throw new TerminalError(`${it.id} is terminal`, { errorCode: 418 });
  }
}
