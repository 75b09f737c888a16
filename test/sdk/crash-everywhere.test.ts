/**
 * T4, T10: one crash, at every point there is. A step of the machine is one batch, so what a crash can
 * leave is any number of whole steps: after each input of a run of the scenario, in turn, the worker or
 * the runtime dies. Everything must end as if nothing had happened.
 */
import { describe, expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

interface Scenario {
  readonly code: (ctx: Ctx) => unknown;
  readonly expected: unknown;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "a race of a sleep and parallel runs": {
    code: async (ctx) => {
      const slow = ctx.sleep(50).then(() => "slept");
      const first = await Promise.race([ctx.run("a", () => "a"), slow]);
      const all = await Promise.all([ctx.run("b", () => "b"), ctx.run("c", () => "c"), slow]);
      return [first, ...all];
    },
    expected: ["a", "b", "c", "slept"],
  },
  "a race that the sleep wins, with a run that fails until then": {
    code: async (ctx) => {
      const failing = ctx.run("failing", () => {
        throw new Error("boom");
      });
      const won = await Promise.race([failing, ctx.sleep(120).then(() => "slept")]);
      return [won, await ctx.run("after", () => "after")];
    },
    expected: ["slept", "after"],
  },
  "state, a promise and a step of each mode": {
    code: async (ctx) => {
      ctx.set("n", ((await ctx.get<number>("n")) ?? 0) + 1);
      const a = await ctx.run("a", () => "a");
      const b = await ctx
        .run("b", () => "b", { mode: "at-most-once" })
        // Cut off: the outside is asked, and says that it was done.
        .catch(() => ctx.run("ask for b", () => "b"));
      const c = await ctx.run("c", () => "c", { probe: () => ({ happened: true, value: "c" }) });
      await ctx.promise("p").resolve("p");
      await ctx.sleep(20);
      return [a, b, c, await ctx.promise("p"), await ctx.get("n"), ctx.patched("new")];
    },
    expected: ["a", "b", "c", "p", 1, true],
  },
};

const CRASHES: Readonly<Record<string, (h: LiveHarness<Ctx>) => void>> = {
  worker: (h) => h.crashWorker(),
  runtime: (h) => h.crashRuntime(),
};

/** Runs the scenario with a crash after its `at`-th input. Gives whether there were that many. */
async function crashAt(
  at: number,
  { code, expected }: Scenario,
  crash: (h: LiveHarness<Ctx>) => void,
): Promise<boolean> {
  const h = new LiveHarness<Ctx>(code);
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
  h.core.invoke("flow/k/run");
  for (let i = 0; i < 40; i++) {
    await h.advance(20);
    const broken = brokenReferences(h.core.tx);
    if (broken.length > 0) throw new Error(`crash after input ${at}: ${broken.join("; ")}`);
  }
  const ref = { kind: "workflow", service: "flow", key: "k" } as const;
  h.core.ask((request) => ({ kind: "output", request, ref }));
  expect(h.answerOf([...h.core.responses.keys()].at(-1) ?? 0)).toEqual(expected);
  const left = [...h.core.tx.rows.keys()].filter((key) => /^[parqk]/.test(key));
  expect(left).toEqual([]);
  return crashed;
}

describe.each(Object.keys(SCENARIOS))("%s", (name) => {
  const scenario = SCENARIOS[name]!;
  test.each(Object.keys(CRASHES))(
    "ends the same with a crash of the %s at every point",
    async (what) => {
      const crash = CRASHES[what]!;
      let at = 0;
      while (await crashAt(at, scenario, crash)) at++;
      expect(at).toBeGreaterThan(10);
    },
  );
});

describe("T4: a closure that hangs", () => {
  test("is not suspended by the inactivity timeout; its worker's loss dispatches it again, and the key gets on", async () => {
    let tries = 0;
    const h = new LiveHarness<Ctx>(
      (ctx) =>
        ctx.run("hangs", async () => {
          tries++;
          if (tries === 1) await new Promise(() => undefined);
          return tries;
        }),
      { inactivityTimeoutMs: 1 },
    );
    const first = h.core.invoke("object/k/run");
    const second = h.core.invoke("object/k/run");
    await h.settle();
    h.suspendAll();
    expect(h.sent.filter((it) => it.kind === "suspend")).toEqual([]);
    h.crashWorker();
    await h.settle();
    expect(h.answerOf(first)).toBe(2);
    expect(h.answerOf(second)).toBe(3);
  });

  test("beside a worker that suspends its attempt all the same: it is dispatched again", async () => {
    let tries = 0;
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run("hangs", async () => {
        tries++;
        if (tries === 1) await new Promise(() => undefined);
        return tries;
      }),
    );
    const request = h.core.invoke("object/k/run");
    await h.settle();
    const { attempt } = h.core.starts(1).at(-1) ?? { attempt: 0 };
    h.core.say(1, { kind: "suspend", attempt, deliveries: 0 });
    await h.settle();
    expect(h.answerOf(request)).toBe(2);
  });
});

test("T10: ids, clock and random numbers are the same in every attempt, after restarts as well", async () => {
  const attempts: unknown[][] = [];
  const h = new LiveHarness<Ctx>(async (ctx) => {
    const seen: unknown[] = [];
    attempts.push(seen);
    const note = (...values: unknown[]): void => void seen.push(...values);
    note(ctx.request().id, ctx.rand.random(), ctx.rand.uuidv4(), await ctx.date.now());
    for (let i = 0; i < 3; i++) {
      const pausing = ctx.sleep(10, `nap ${i}`);
      const { id } = ctx.awakeable();
      const sent = ctx.genericSend({ service: "plain", method: "run", parameter: null });
      note(id, await sent.invocationId, ctx.rand.random(), await ctx.date.now());
      await ctx.run(`token ${i}`, ({ idempotencyToken }) => idempotencyToken).then(note);
      await pausing;
    }
    return seen;
  });
  const code = h.code;
  h.code = (ctx, input) => (ctx.request().target.service === "plain" ? null : code(ctx, input));
  h.core.invoke("object/k/run", { idempotencyKey: "x" });
  for (let i = 0; i < 4; i++) {
    await h.settle();
    h.crashRuntime();
    await h.settle();
    h.crashWorker();
    await h.advance(10);
  }
  const again = h.core.invoke("object/k/run", { idempotencyKey: "x" });
  await h.settle();
  const full = h.answerOf(again) as unknown[];
  expect(full).toHaveLength(4 + 3 * 5);
  expect(attempts.length).toBeGreaterThan(6);
  for (const seen of attempts) expect(seen).toEqual(full.slice(0, seen.length));
});
