/**
 * Bugs that others had in replay, on the real SDK over the real state machine: T8, T11, T12.
 * docs/testing-bugs-of-others.md says where each comes from.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WorkerMessage } from "../../protocol/message.ts";
import { readJournal } from "../../runtime/core/journal.ts";
import { invocationKey } from "../../runtime/core/keys.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { TerminalError } from "../../sdk/errors.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes } from "../support/core-harness.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
type Crash = (h: LiveHarness<Ctx>) => void;

const CRASHES: Readonly<Record<string, Crash>> = {
  "a crash of the worker": (h) => h.crashWorker(),
  "a crash of the runtime": (h) => h.crashRuntime(),
  "a suspension": (h) => h.suspendAll(),
};

/** Whatever a replay leaves behind in user code or in ours must not reach the process. */
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on("unhandledRejection", note));
afterEach(() => {
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});

/**
 * Runs the code once for each input there is, with the crash after that one. `each`: what has to hold
 * of one such run.
 */
async function crashEverywhere(
  make: () => LiveHarness<Ctx>,
  crash: Crash,
  each: (h: LiveHarness<Ctx>, answer: unknown, at: number) => void,
): Promise<number> {
  for (let at = 0; ; at++) {
    const h = make();
    const apply = h.core.apply.bind(h.core);
    let inputs = 0;
    let crashed = false;
    h.core.apply = (input) => {
      const effects = apply(input);
      if (!crashed && inputs++ === at) {
        crashed = true;
        crash(h);
      }
      return effects;
    };
    const request = h.core.invoke("flow/k/run");
    for (let i = 0; i < 15; i++) await h.advance(10);
    expect(brokenReferences(h.core.tx)).toEqual([]);
    const output = (): number => {
      const ref = { kind: "workflow", service: "flow", key: "k" } as const;
      h.core.ask((asked) => ({ kind: "output", request: asked, ref }));
      return [...h.core.responses.keys()].at(-1) ?? request;
    };
    each(h, h.answerOf(output()), at);
    if (!crashed) return at;
  }
}

const no = (message: string) => (): never => {
  throw new TerminalError(message);
};

/** Each tells `saw` what came out, as soon as it is known. */
const PROGRAMS: Readonly<
  Record<string, (ctx: Ctx, saw: (it: unknown) => void) => Promise<unknown>>
> = {
  "race of runs": async (ctx, saw) => {
    const runs = ["a", "b", "c"].map((it) => ctx.run(it, () => it));
    saw(await Promise.race(runs));
    return Promise.all(runs);
  },
  "race of a sleep and a run that fails": async (ctx, saw) => {
    const failing = ctx.run("fails", no("lost"));
    saw(await Promise.race([ctx.sleep(20), failing]).catch((error: unknown) => String(error)));
    // It was lost, and nobody looks at it again.
    return ctx.run("after", () => "after");
  },
  "race whose losers fail later": async (ctx, saw) => {
    const late = ctx.sleep(20).then(no("late"));
    const later = ctx.sleep(30).then(() => ctx.run("later", no("later")));
    saw(await Promise.race([ctx.run("first", () => "first"), late, later]));
    await ctx.sleep(40);
    return "over";
  },
  "all with two that fail": async (ctx, saw) => {
    const all = [ctx.run("x", no("x")), ctx.run("y", no("y")), ctx.sleep(10)];
    saw(await Promise.all(all).catch((error: unknown) => String(error)));
    await ctx.sleep(20);
    const settled = await Promise.allSettled(all);
    return settled.map((it) => it.status);
  },
  "any of which all fail": async (ctx, saw) => {
    const runs = ["x", "y"].map((it) => ctx.run(it, no(it)));
    saw(await Promise.any(runs).catch((error: unknown) => (error as AggregateError).errors.length));
    return ctx.run("after", () => "after");
  },
  "any, with a sleep that wins": async (ctx, saw) => {
    const slow = ctx.sleep(10).then(() => "slept");
    saw(await Promise.any([ctx.run("x", no("x")), slow, ctx.awakeable().promise]));
    return ctx.run("after", () => "after");
  },
  "race in a loop": async (ctx, saw) => {
    let open = ["a", "b", "c", "d"].map((name, i) => ({
      name,
      promise: (i % 2 === 0 ? ctx.run(name, () => name) : ctx.sleep(5 * i)).then(() => name),
    }));
    while (open.length > 0) {
      const name = await Promise.race(open.map((it) => it.promise));
      saw(name);
      open = open.filter((it) => it.name !== name);
    }
    return "over";
  },
  "a time limit that is over before what fails": async (ctx, saw) => {
    const slow = ctx.sleep(30).then(() => ctx.run("fails", no("late")));
    const limited = ctx.awakeable().promise.orTimeout(10);
    saw(await limited.catch((error: unknown) => (error as Error).name));
    slow.catch(() => undefined);
    await ctx.sleep(40);
    return "over";
  },
  "detached chains that fail": async (ctx, saw) => {
    void ctx.run("x", no("x"));
    void ctx
      .sleep(5)
      .then(() => ctx.run("y", no("y")), undefined)
      .catch(() => undefined);
    await ctx.sleep(20);
    saw("slept");
    return "over";
  },
};

describe.each(Object.keys(CRASHES))("T11: with %s at every point,", (what) => {
  const crash = CRASHES[what] as Crash;

  test.each(Object.keys(PROGRAMS))("%s: every attempt sees the same, and ends", async (name) => {
    const program = PROGRAMS[name] as (typeof PROGRAMS)[string];
    let attempts: unknown[][] = [];
    const make = (): LiveHarness<Ctx> => {
      attempts = [];
      return new LiveHarness<Ctx>(async (ctx) => {
        const seen: unknown[] = [];
        attempts.push(seen);
        const result = await program(ctx, (it) => {
          seen.push(it);
        });
        seen.push(result);
        return seen;
      });
    };
    const points = await crashEverywhere(make, crash, (_h, answer, at) => {
      expect(answer, `crash after input ${at}`).toBeInstanceOf(Array);
      for (const seen of attempts) {
        expect(seen, `crash after input ${at}`).toEqual(
          plain(answer as unknown[]).slice(0, seen.length),
        );
      }
    });
    expect(points).toBeGreaterThan(5);
  });
});

/** As JSON shows it: what a handler returned is compared with what it saw. */
function plain(value: unknown[]): unknown[] {
  return value.map((it) => (it === null ? undefined : it));
}

describe.each(["a crash of the worker", "a crash of the runtime"])(
  "T12: with %s after every input,",
  (what) => {
    test("of parallel runs only those without a recorded result run again", async () => {
      const names = ["a", "b", "c", "d", "e"];
      let executions: string[] = [];
      let recorded = new Set<string>();
      const crash: Crash = (h) => {
        recorded = recordedRuns(h);
        executions = [];
        (CRASHES[what] as Crash)(h);
      };
      const make = (): LiveHarness<Ctx> => {
        executions = [];
        recorded = new Set();
        return new LiveHarness<Ctx>((ctx) =>
          Promise.all(
            names.map((name, i) =>
              ctx.run(name, async () => {
                executions.push(name);
                // They end in another order than they began.
                for (let turn = 0; turn < 3 * (names.length - i); turn++) {
                  await new Promise((resolve) => setImmediate(resolve));
                }
                return name;
              }),
            ),
          ),
        );
      };
      const sizes = new Set<number>();
      await crashEverywhere(make, crash, (_h, answer, at) => {
        expect(answer, `crash after input ${at}`).toEqual(names);
        const again = executions.filter((it) => recorded.has(it));
        expect(again, `crash after input ${at}`).toEqual([]);
        expect(new Set([...executions, ...recorded])).toEqual(new Set(names));
        sizes.add(recorded.size);
      });
      // It was cut off with none, some and all of them recorded.
      expect([...sizes].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    });
  },
);

function recordedRuns(h: LiveHarness<Ctx>): Set<string> {
  const record = h.core.tx.get(invocationKey(1));
  const entries = record ? [...readJournal(h.core.tx, decodeInvocation(1, record))] : [];
  const names = new Map<number, string>();
  const found = new Set<string>();
  for (const it of entries) {
    if (it.kind === "command" && it.command.kind === "run") {
      names.set(it.command.completionId, it.command.name);
    } else if (it.kind === "delivery" && it.delivery.kind === "completion") {
      found.add(names.get(it.delivery.completionId) ?? "");
    }
  }
  return found;
}

describe("T8: across a reconnect", () => {
  const code = async (ctx: Ctx): Promise<unknown> => {
    if (ctx.request().target.service === "plain") return null;
    ctx.set("n", ((await ctx.get<number>("n")) ?? 0) + 1);
    const a = await ctx.run("a", () => "a");
    ctx.genericSend({ service: "plain", method: "run", parameter: null });
    return [a, await ctx.run("b", () => "b"), await ctx.get("n")];
  };

  const ORDERS: Readonly<Record<string, (said: WorkerMessage[]) => WorkerMessage[]>> = {
    "as it was said": (said) => said,
    backwards: (said) => said.toReversed(),
    "twice over": (said) => [...said, ...said],
    "the end alone": (said) => said.slice(-1),
  };

  test.each(Object.keys(ORDERS))(
    "what was said on the lost connection, said again (%s), changes nothing",
    async (order) => {
      const h = new LiveHarness<Ctx>(code);
      const request = h.core.invoke("object/k/run");
      // Said and lost: the connection dies before the end arrives.
      const say = h.core.say.bind(h.core);
      h.core.say = (connection, message) => {
        if (message.kind !== "end") say(connection, message);
      };
      await h.settle();
      h.core.say = say;
      const said = h.sent.filter((it) => it.kind !== "hello" && it.kind !== "drain");
      expect(said.at(-1)?.kind).toBe("end");
      h.core.lose(h.connection);
      h.attempts.clear();
      // A worker that is only a connection: what it is told nobody answers.
      const second = h.connection + 1;
      h.core.connect(second, { services: [], version: "other" });
      const before = new Map(h.core.tx.rows);
      for (const message of (ORDERS[order] as (typeof ORDERS)[string])(said)) {
        h.core.say(second, message as Parameters<typeof say>[1]);
      }
      expect(new Map(h.core.tx.rows)).toEqual(before);
      h.connection = second;
      h.connect();
      await h.settle();
      expect(h.answerOf(request)).toEqual(["a", "b", 1]);
    },
  );

  test.each(Object.keys(CRASHES))(
    "a resolution that comes before, at and after %s counts once, the first one",
    async (what) => {
      for (const moment of ["before", "between", "after"] as const) {
        let id = "";
        const h = new LiveHarness<Ctx>(async (ctx) => {
          const awakeable = ctx.awakeable<string>();
          id = awakeable.id;
          await ctx.run("tell", () => id);
          await ctx.sleep(20);
          return awakeable.promise;
        });
        const request = h.core.invoke("flow/k/run", { mode: "send" });
        await h.settle();
        const resolve = (value: string): void => {
          const result = { ok: true, value: bytes(JSON.stringify(value)) } as const;
          h.core.ask((asked) => ({
            kind: "complete-awakeable",
            request: asked,
            awakeableId: id as never,
            result,
          }));
        };
        if (moment === "before") resolve("first");
        if (moment === "before") await h.settle();
        (CRASHES[what] as Crash)(h);
        if (moment === "between") resolve("first");
        await h.advance(10);
        if (moment === "after") resolve("first");
        resolve("second");
        (CRASHES[what] as Crash)(h);
        resolve("third");
        await h.advance(30);
        await h.advance(30);
        expect(h.core.responses.get(request)?.kind).toBe("accepted");
        const ref = { kind: "workflow", service: "flow", key: "k" } as const;
        h.core.ask((asked) => ({ kind: "output", request: asked, ref }));
        expect(h.answerOf([...h.core.responses.keys()].at(-1) ?? 0), moment).toBe("first");
      }
    },
  );
});
