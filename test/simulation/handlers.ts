/** The handlers of the simulation: an interpreter of programs over the real SDK. */
import type { WorkflowContext } from "../../sdk/context.ts";
import { CancelledError, TerminalError } from "../../sdk/errors.ts";
import type { Operation, Program } from "./program.ts";
import type { World } from "./world.ts";

export interface Scene {
  readonly world: World;
  /** Code of another version under the same name: it does something else than what was recorded. */
  readonly strays: (invocationId: string) => boolean;
  /** The runtime has given this worker up, and it does not know it yet. */
  readonly isZombie: () => boolean;
  /** The link that it works for. */
  readonly link: number;
}

/** One attempt: what its code has seen so far. */
interface Attempt {
  readonly ctx: Ctx;
  readonly scene: Scene;
  readonly saw: Set<string>;
}

export type Ctx = WorkflowContext;

/** What every handler of the simulation does. Cancelled, it compensates, and passes it on. */
export async function handle(ctx: Ctx, scene: Scene, program: Program): Promise<string[]> {
  const { id } = ctx.request();
  scene.world.started.add(id);
  if (scene.strays(id)) await ctx.sleep(1, "strayed");
  try {
    return await execute({ ctx, scene, saw: new Set() }, program);
  } catch (error) {
    if (error instanceof CancelledError && isExclusive(ctx)) await append(ctx, `undone ${id}`);
    throw error;
  }
}

const isExclusive = (ctx: Ctx): boolean => ctx.request().target.handler === "run" && ctx.key !== "";

async function execute(at: Attempt, program: Program): Promise<string[]> {
  const seen: string[] = [];
  for (const operation of program) seen.push(...(await perform(at, operation)));
  return seen;
}

async function perform(at: Attempt, it: Operation): Promise<string[]> {
  const { ctx } = at;
  const { world } = at.scene;
  const { id } = it;
  switch (it.op) {
    case "append":
      return append(ctx, id);
    case "get":
      return [`${id}=${(await ctx.get<string>(it.name)) ?? "nothing"}`];
    case "set":
      if (it.beside) return setBeside(ctx, it);
      ctx.set(it.name, it.value);
      return [];
    case "clear":
      ctx.clear(it.name);
      return [];
    case "clear-all":
      return clearAll(ctx);
    case "state-keys":
      return [`${id}=${JSON.stringify(await ctx.stateKeys())}`];
    case "sleep":
      await ctx.sleep(it.ms, id);
      at.saw.add(id);
      return [];
    case "detached-sleep":
      void ctx.sleep(it.ms, id);
      return [];
    case "outside":
      await new Promise((resolve) => setTimeout(resolve, 5));
      await ctx.sleep(1, id);
      return [];
    case "patched":
      return [`${id}=${ctx.patched(id)}`];
    case "date":
      return [`${id}@${await ctx.date.now()}`];
    case "throw-transient":
      if (world.throwsAgain(ctx.request().id, id, it.times)) throw new Error(`${id} is transient`);
      return [];
    case "throw-terminal":
      throw new TerminalError(`${id} is terminal`, { errorCode: 418 });
    case "all":
      return (await Promise.all(it.branches.map((branch) => execute(at, branch)))).flat();
    case "any":
      return anyOf(
        it.branches.map(async (branch, n) => [`${id} branch ${n}`, ...(await execute(at, branch))]),
      );
    case "race": {
      const slept = ctx.sleep(it.sleepMs, id).then(() => [`${id} slept`]);
      return Promise.race([slept, execute(at, it.program)]);
    }
    default:
      return reach(at, it);
  }
}

async function append(ctx: Ctx, id: string): Promise<string[]> {
  const entries = (await ctx.get<string[]>("entries")) ?? [];
  ctx.set("entries", [...entries, id]);
  return [];
}

/** What the answer of the read brings along, all names after this one, is older than what was set. */
async function setBeside(
  ctx: Ctx,
  { id, name, value }: Operation & { readonly op: "set" },
): Promise<string[]> {
  const read = ctx.get("\0");
  ctx.set(name, value);
  await read;
  return [`${id}=${await ctx.get<string>(name)}`];
}

/** All but the list, which says who was there. */
async function clearAll(ctx: Ctx): Promise<string[]> {
  const entries = await ctx.get<string[]>("entries");
  ctx.clearAll();
  if (entries !== null) ctx.set("entries", entries);
  return [];
}

/** A cancellation reaches every branch; it is one all the same. */
async function anyOf(branches: readonly Promise<string[]>[]): Promise<string[]> {
  try {
    return await Promise.any(branches);
  } catch (error) {
    const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
    throw first;
  }
}

type Reaching = Exclude<
  Operation,
  {
    readonly op:
      | "append"
      | "get"
      | "set"
      | "clear"
      | "clear-all"
      | "state-keys"
      | "sleep"
      | "detached-sleep"
      | "date"
      | "patched"
      | "outside"
      | "throw-transient"
      | "throw-terminal"
      | "all"
      | "any"
      | "race";
  }
>;

/** Operations that have to do with others. */
async function reach(at: Attempt, it: Reaching): Promise<string[]> {
  const { ctx, scene, saw } = at;
  const { world } = scene;
  const { id } = it;
  const outcomeOf = <T>(promise: Promise<T>, onValue?: (value: T) => void): Promise<string[]> =>
    seenOf(id, promise, (value) => {
      // What carries the name of its step can be looked up in the journal.
      if (it.op === "run" || it.op === "call") saw.add(id);
      onValue?.(value);
    });
  const invocationId = ctx.request().id;
  switch (it.op) {
    case "run": {
      const start = { invocationId, step: id, saw, link: scene.link };
      const run = ctx.run(
        id,
        ({ idempotencyToken: token, signal }) => {
          if (it.throwsTerminal) throw new TerminalError(`${id} threw`);
          return world.execute({ ...start, token, zombie: scene.isZombie() }, it, signal);
        },
        {
          mode: it.mode,
          ...(it.tries === null ? {} : { maxRetryAttempts: it.tries }),
          ...(it.mode === "probe" ? { probe: () => world.probe(start) } : {}),
        },
      );
      return outcomeOf(run, (value) => {
        world.observe({ invocationId, step: id, value, link: scene.link });
      });
    }
    case "awakeable": {
      const { id: awakeableId, promise } = ctx.awakeable<string>();
      world.awakeables.set(`${invocationId}/${id}`, awakeableId);
      await ctx.run(`${id} id`, () =>
        world.wish({ kind: "awakeable", invocationId, subject: awakeableId, key: "" }),
      );
      return outcomeOf(it.limitMs === null ? promise : promise.orTimeout(it.limitMs));
    }
    case "call":
      return outcomeOf(
        ctx.genericCall<Program, unknown>({
          service: it.to.service,
          method: it.to.handler,
          ...(it.to.key === null ? {} : { key: it.to.key }),
          parameter: it.program,
          name: id,
          ...(it.idempotencyKey === null ? {} : { idempotencyKey: it.idempotencyKey }),
        }),
      );
    case "send":
      ctx.genericSend({
        service: it.to.service,
        method: it.to.handler,
        ...(it.to.key === null ? {} : { key: it.to.key }),
        parameter: it.program,
        name: id,
        delay: it.delayMs,
        ...(it.idempotencyKey === null ? {} : { idempotencyKey: it.idempotencyKey }),
      });
      return [];
    case "fan-out": {
      const { service, handler: method } = it.to;
      const calls = Array.from({ length: it.count }, (_, at) =>
        ctx.genericCall<Program, string[]>({ service, method, parameter: [], name: `${id}.${at}` }),
      );
      return [`${id}=${(await Promise.allSettled(calls)).length}`];
    }
    case "await-signal": {
      const signalled = ctx.signal<string>(it.signal);
      await ctx.run(`${id} id`, () =>
        world.wish({ kind: "signal", invocationId, subject: it.signal, key: "" }),
      );
      return outcomeOf(signalled);
    }
    case "send-signal":
      ctx.invocation(it.to).signal<string>(it.signal).resolve(id);
      return [];
    case "await-promise":
      await ctx.run(`${id} id`, () =>
        world.wish({ kind: "promise", invocationId, subject: it.promise, key: ctx.key }),
      );
      return outcomeOf(ctx.promise<string>(it.promise).get());
    case "peek-promise":
      return outcomeOf(ctx.promise<string>(it.promise).peek());
    case "resolve-promise":
      return outcomeOf(ctx.promise<string>(it.promise).resolve(id));
    case "attach":
      return outcomeOf(ctx.attach(it.to).orTimeout(500));
    case "cancel":
      world.cancelled.add(it.to);
      ctx.cancel(it.to);
      return [];
  }
}

/** A failure is something that a program sees, and goes on; a cancellation ends it. */
async function seenOf<T>(
  id: string,
  promise: Promise<T>,
  onValue: (value: T) => void = () => undefined,
): Promise<string[]> {
  try {
    const value = await promise;
    onValue(value);
    return [`${id}=${shortened(value)}`];
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return [`${id} failed: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** Answers hold answers: what is long is told by its ends. */
export function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length <= 200 ? text : `${text.slice(0, 100)}...${text.length}`;
}
