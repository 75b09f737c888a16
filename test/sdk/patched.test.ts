/** `ctx.patched`: one answer per invocation, live, in replay, over old journals, after a crash anywhere. */
import { describe, expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
type Code = (ctx: Ctx) => unknown;

const real = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs `before` to where it waits for its first sleep, then goes on with `after`. */
async function changedWhileAsleep(before: Code, after: Code): Promise<unknown> {
  const h = new LiveHarness<Ctx>(before);
  const request = h.core.invoke("object/k/run");
  await h.settle();
  h.code = after;
  h.suspendAll();
  await h.advance(1_000);
  await h.advance(1_000);
  return h.answerOf(request);
}

const old: Code = async (ctx) => {
  const first = await ctx.run("first", () => "first");
  await ctx.sleep(1_000);
  return [first, await ctx.run("old", () => "old")];
};

/** The change stands behind the sleep. */
const patchedBehind: Code = async (ctx) => {
  const first = await ctx.run("first", () => "first");
  await ctx.sleep(1_000);
  if (ctx.patched("p")) return [first, await ctx.run("new", () => "new")];
  return [first, await ctx.run("old", () => "old")];
};

/** The change stands before it. */
const patchedBefore: Code = async (ctx) => {
  const isNew = ctx.patched("p");
  const first = await (isNew ? ctx.run("newer", () => "newer") : ctx.run("first", () => "first"));
  await ctx.sleep(1_000);
  return [first, await ctx.run(isNew ? "new" : "old", () => (isNew ? "new" : "old"))];
};

describe("a new invocation", () => {
  test("takes the new branch, and records it", async () => {
    const h = new LiveHarness<Ctx>(patchedBefore);
    const request = h.core.invoke("object/k/run");
    await h.advance(1_000);
    expect(h.answerOf(request)).toEqual(["newer", "new"]);
    expect(h.commands()).toEqual(["patched", "run newer", "sleep", "run new"]);
  });
});

describe("an invocation that was recorded before the change", () => {
  test("goes on with the old branch where it had passed the point", async () => {
    expect(await changedWhileAsleep(old, patchedBefore)).toEqual(["first", "old"]);
  });

  test("takes the new branch where it comes to the point for the first time", async () => {
    expect(await changedWhileAsleep(old, patchedBehind)).toEqual(["first", "new"]);
  });

  test("keeps its answer wherever the same patch is asked again, also once it is live", async () => {
    const asked: boolean[] = [];
    const after: Code = async (ctx) => {
      asked.push(ctx.patched("p"));
      await ctx.run("first", () => "first");
      await ctx.sleep(1_000);
      asked.push(ctx.patched("p"));
      return "end";
    };
    expect(await changedWhileAsleep(old, after)).toBe("end");
    expect(new Set(asked)).toEqual(new Set([false]));
  });

  test("may take one patch and not the other", async () => {
    const after: Code = async (ctx) => {
      const early = ctx.patched("early");
      await ctx.run("first", () => "first");
      await ctx.sleep(1_000);
      return [early, ctx.patched("late")];
    };
    expect(await changedWhileAsleep(old, after)).toEqual([false, true]);
  });
});

describe("once recorded", () => {
  test("the check may be taken out, and is not missed", async () => {
    const newOnly: Code = async (ctx) => {
      const first = await ctx.run("newer", () => "newer");
      await ctx.sleep(1_000);
      return [first, await ctx.run("new", () => "new")];
    };
    expect(await changedWhileAsleep(patchedBefore, newOnly)).toEqual(["newer", "new"]);
  });

  test("the check may move", async () => {
    const moved: Code = async (ctx) => {
      const first = await ctx.run("newer", () => "newer");
      await ctx.sleep(1_000);
      return [first, ctx.patched("p") && (await ctx.run("new", () => "new"))];
    };
    expect(await changedWhileAsleep(patchedBefore, moved)).toEqual(["newer", "new"]);
  });

  test("commands that follow keep their numbers, so tokens and ids are what they were", async () => {
    const tokens: string[] = [];
    const code =
      (check: boolean): Code =>
      async (ctx) => {
        if (check) ctx.patched("p");
        await ctx.sleep(1_000);
        if (check) ctx.patched("q");
        const { id } = ctx.awakeable();
        await ctx.run("r", ({ idempotencyToken }) => void tokens.push(`${idempotencyToken} ${id}`));
        await ctx.sleep(1_000);
        return "end";
      };
    const h = new LiveHarness<Ctx>(code(true));
    const request = h.core.invoke("object/k/run");
    await h.advance(1_000);
    h.code = code(false);
    h.crashWorker();
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe("end");
    expect(tokens).toHaveLength(1);
    expect(tokens[0]).toContain("-4 sign_");
  });
});

/** Programs that ask in every place that there is; each gives what it was told. */
const PROGRAMS: Readonly<Record<string, Code>> = {
  "in a row": async (ctx) => {
    const a = ctx.patched("a");
    await ctx.run("x", () => 1);
    const b = ctx.patched("b");
    await ctx.sleep(5);
    return [a, b, ctx.patched("a"), ctx.patched("c")];
  },
  "in a loop": async (ctx) => {
    const told: boolean[] = [];
    for (let i = 0; i < 4; i++) {
      told.push(ctx.patched("a"), ctx.patched(`only ${i}`));
      await (i % 2 === 0 ? ctx.sleep(5) : ctx.run(`r${i}`, () => i));
    }
    return told;
  },
  "inside Promise.all": async (ctx) =>
    Promise.all(
      [1, 2, 3].map(async (i) => {
        const early = ctx.patched("shared");
        await ctx.sleep(i * 5);
        const late = ctx.patched(`late ${i}`);
        return [early, late, await ctx.run(`r${i}`, () => i)];
      }),
    ),
  "with nothing else": (ctx) => [ctx.patched("a"), ctx.patched("a")],
};

describe.each(Object.keys(PROGRAMS))("%s", (name) => {
  const program = PROGRAMS[name]!;

  test("every answer of a new invocation is true, after a crash of the worker anywhere", async () => {
    const h = new LiveHarness<Ctx>(program);
    const request = h.core.invoke("object/k/run");
    for (let i = 0; i < 12 && h.core.responses.get(request) === undefined; i++) {
      await h.settle();
      h.crashWorker();
      await h.advance(5);
    }
    await h.settle();
    expect(JSON.stringify(h.answerOf(request))).not.toContain("false");
  });

  test("the answers are the same in each attempt, with a crash after each message of the worker", async () => {
    for (let at = 0; ; at++) {
      const told: string[] = [];
      const watched: Code = (ctx) => {
        const attempt = new Map<string, boolean>();
        const patched = (id: string): boolean => {
          const answer = ctx.patched(id);
          const before = attempt.get(id) ?? answer;
          attempt.set(id, answer);
          told.push(`${id} ${answer && before}`);
          return answer;
        };
        return program(Object.create(ctx, { patched: { value: patched } }) as Ctx);
      };
      let sent = 0;
      const filter = (): boolean => sent++ !== at || (setImmediate(() => h.crashWorker()), false);
      const h: LiveHarness<Ctx> = new LiveHarness<Ctx>(watched, { filter });
      const request = h.core.invoke("object/k/run");
      for (let i = 0; i < 8; i++) await h.advance(5);
      expect(h.core.responses.get(request)).toMatchObject({ kind: "completed" });
      expect(told.filter((it) => it.endsWith("false"))).toEqual([]);
      if (sent <= at) break;
    }
  });
});

describe("from outside a turn", () => {
  const outside: Code = async (ctx) => {
    await ctx.run("first", () => "first");
    await real();
    const told = ctx.patched("p");
    await ctx.sleep(1_000);
    return told;
  };

  test("a new invocation takes the new branch, and keeps it in replay; the warning names it", async () => {
    const h = new LiveHarness<Ctx>(outside);
    const request = h.core.invoke("object/k/run");
    await h.settle();
    h.crashWorker();
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe(true);
    expect(h.warnings.filter((it) => it.includes("patched p"))).toHaveLength(1);
  });

  test("one that was recorded before the change never does, however long anything real takes", async () => {
    const h = new LiveHarness<Ctx>(old);
    const request = h.core.invoke("object/k/run");
    await h.settle();
    h.code = async (ctx) => {
      await ctx.run("first", () => "first");
      await ctx.sleep(1_000);
      await real();
      const told = [ctx.patched("p")];
      await ctx.sleep(1_000, "more");
      return [...told, ctx.patched("p")];
    };
    h.crashWorker();
    await h.advance(1_000);
    h.crashWorker();
    await h.advance(1_000);
    expect(h.answerOf(request)).toEqual([false, false]);
  });

  /**
   * The other branch had recorded a command from outside a turn. In the first replay it had not been
   * issued again when the patch was asked for, in the second one it had: an answer that counted what is
   * left to be issued again was false once and true the next time.
   */
  test("commands of a detached branch do not change an answer by coming earlier", async () => {
    let open: () => void = () => undefined;
    const gate = (): Promise<void> => new Promise((resolve) => void (open = resolve));
    const before: Code = async (ctx) => {
      void gate().then(() => ctx.set("detached", 1));
      await ctx.sleep(10);
      await new Promise(() => undefined);
    };
    const told: boolean[] = [];
    const after =
      (wait: () => Promise<void>): Code =>
      async (ctx) => {
        const detached = wait().then(() => ctx.set("detached", 1));
        await ctx.sleep(10);
        told.push(ctx.patched("p"));
        await detached;
        await ctx.sleep(1_000);
        return "end";
      };
    const h = new LiveHarness<Ctx>(before);
    const request = h.core.invoke("object/k/run");
    await h.advance(10);
    open();
    await h.settle();
    expect(h.commands()).toEqual(["sleep", "set-state"]);
    h.code = after(gate);
    h.crashWorker();
    await h.settle();
    h.code = after(real);
    h.crashWorker();
    await h.advance(1_000);
    expect(told).toEqual([false, false]);
    expect(h.answerOf(request)).toBe("end");
  });
});

describe("is refused", () => {
  test.each([
    ["without an id", (ctx: Ctx) => ctx.patched(""), /takes the id of the change/],
    [
      "inside the closure of a run",
      (ctx: Ctx) => ctx.run("r", () => ctx.patched("p")),
      /inside the closure/,
    ],
    ["with an id that no row takes", (ctx: Ctx) => ctx.patched("x".repeat(600)), /has 600 bytes/],
  ] as const)("%s", async (_, code, message) => {
    const h = new LiveHarness<Ctx>(async (ctx) => {
      try {
        return await code(ctx);
      } catch (error) {
        return String(error);
      }
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    expect(h.answerOf(request)).toMatch(message);
  });
});

test("after the handler has ended it does nothing", async () => {
  let late: Ctx | undefined;
  const h = new LiveHarness<Ctx>((ctx) => {
    late = ctx;
    return "end";
  });
  h.core.invoke("object/k/run");
  await h.settle();
  expect(late?.patched("p")).toBe(false);
  expect(h.commands()).toEqual([]);
});
