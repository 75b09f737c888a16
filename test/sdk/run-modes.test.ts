/** `ctx.run` in its modes on the real SDK: closures and probes that really execute, and are counted. */
import { describe, expect, test } from "vitest";
import type { WorkerMessage } from "../../protocol/message.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { RunInterruptedError, TerminalError } from "../../sdk/errors.ts";
import type { ProbeAnswer, RunContext, RunOptions } from "../../sdk/run.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

/** An outside that a closure reaches: it knows which tokens it has served, and may hold its answers. */
class Outside {
  readonly log: string[] = [];
  readonly done = new Map<string, number>();
  holding = false;

  readonly act = async ({ idempotencyToken, attempt }: RunContext): Promise<number> => {
    this.log.push(`act ${attempt}`);
    this.done.set(idempotencyToken, (this.done.get(idempotencyToken) ?? 0) + 1);
    if (this.holding) await new Promise(() => undefined);
    return 42;
  };

  readonly find = async ({
    idempotencyToken,
    attempt,
  }: RunContext): Promise<ProbeAnswer<number>> => {
    this.log.push(`find ${attempt}`);
    return this.done.has(idempotencyToken) ? { happened: true, value: 42 } : { happened: false };
  };
}

const CRASHES: Readonly<Record<string, (h: LiveHarness<Ctx>) => void>> = {
  worker: (h) => h.crashWorker(),
  runtime: (h) => h.crashRuntime(),
};

describe.each(Object.keys(CRASHES))("a crash of the %s in the middle of a run", (what) => {
  const crash = (h: LiveHarness<Ctx>): void => CRASHES[what]?.(h);

  test("at-most-once: the handler gets RunInterruptedError with run and token, and may go on", async () => {
    const outside = new Outside();
    outside.holding = true;
    const h = new LiveHarness<Ctx>(async (ctx) => {
      try {
        return await ctx.run("charge", outside.act, { mode: "at-most-once" });
      } catch (error) {
        if (!(error instanceof RunInterruptedError)) throw error;
        const { run, idempotencyToken, code } = error;
        const token = [...outside.done.keys()][0] === idempotencyToken;
        return await ctx.run("ask", () => ({ run, code, token }));
      }
    });
    const request = h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    crash(h);
    outside.holding = false;
    await h.settle();
    crash(h);
    await h.settle();
    const again = h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    const answer = { run: "charge", code: 500, token: true };
    expect(h.answerOf(what === "worker" ? request : again)).toEqual(answer);
    expect(outside.log).toEqual(["act 1"]);
  });

  test("at-most-once: left uncaught, it ends the invocation under its own name", async () => {
    const outside = new Outside();
    outside.holding = true;
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run("charge", outside.act, { mode: "at-most-once" }),
    );
    h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    crash(h);
    await h.settle();
    const again = h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    expect(h.core.responses.get(again)).toMatchObject({
      result: { ok: false, failure: { name: "RunInterruptedError", code: 500 } },
    });
  });

  test("probe: what had happened is the result, and the closure does not run again", async () => {
    const outside = new Outside();
    outside.holding = true;
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run("charge", outside.act, { probe: outside.find }),
    );
    h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    crash(h);
    await h.settle();
    const again = h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    expect(h.answerOf(again)).toBe(42);
    expect(outside.log).toEqual(["act 1", "find 2"]);
    expect([...outside.done.values()]).toEqual([1]);
  });

  test("probe: what had not happened runs, with the same token", async () => {
    const outside = new Outside();
    outside.holding = true;
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run("charge", outside.act, { probe: outside.find }),
    );
    h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    const [token] = outside.done.keys();
    // The request had not reached the outside.
    outside.done.clear();
    outside.holding = false;
    crash(h);
    await h.settle();
    const again = h.core.invoke("object/k/run", { idempotencyKey: "x" });
    await h.settle();
    expect(h.answerOf(again)).toBe(42);
    expect(outside.log).toEqual(["act 1", "find 2", "act 3"]);
    expect([...outside.done]).toEqual([[token, 1]]);
  });
});

describe("a run with a probe", () => {
  test("whose closure throws is probed before the closure goes again", async () => {
    const log: string[] = [];
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run<string>(
        "charge",
        ({ attempt }) => {
          log.push(`act ${attempt}`);
          if (attempt === 1) throw new Error("reset");
          return "done";
        },
        {
          probe: ({ attempt }) => {
            log.push(`probe ${attempt}`);
            if (attempt === 2) throw new Error("unreachable");
            return { happened: false };
          },
        },
      ),
    );
    const request = h.core.invoke("object/k/run");
    for (let i = 0; i < 4; i++) await h.advance(1_000);
    expect(h.answerOf(request)).toBe("done");
    expect(log).toEqual(["act 1", "probe 2", "probe 3", "act 4"]);
  });

  test("a terminal error of the probe is the run's result", async () => {
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run(
        "charge",
        () => {
          throw new Error("reset");
        },
        {
          probe: () => {
            throw new TerminalError("no such account", { errorCode: 404 });
          },
        },
      ),
    );
    const request = h.core.invoke("object/k/run");
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe("404 no such account");
  });

  test("that the code has dropped is a mismatch: the recorded mode rules", async () => {
    const outside = new Outside();
    outside.holding = true;
    const original = (ctx: Ctx): unknown => ctx.run("charge", outside.act, { probe: outside.find });
    const h = new LiveHarness<Ctx>(original);
    const request = h.core.invoke("object/k/run");
    await h.settle();
    h.code = (ctx) => ctx.run("charge", outside.act);
    h.crashWorker();
    await h.settle();
    expect(outside.log).toEqual(["act 1"]);
    expect(h.warnings.join()).toContain("the code does not match its journal at command 0");
    h.code = original;
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe(42);
    expect(outside.log).toEqual(["act 1", "find 3"]);
  });

  test("an answer that says nothing is a failure that says what to return", async () => {
    const h = new LiveHarness<Ctx>((ctx) =>
      ctx.run(
        "charge",
        () => {
          throw new Error("reset");
        },
        // As plain JavaScript may do.
        { probe: (() => undefined) as never, maxRetryAttempts: 2 },
      ),
    );
    const request = h.core.invoke("object/k/run");
    await h.advance(1_000);
    expect(h.answerOf(request)).toMatch(
      /return \{ happened: true, value \} or \{ happened: false \}/,
    );
  });

  test("an attempt between probe and closure is not suspended", async () => {
    const outside = new Outside();
    const filter = (message: WorkerMessage): boolean => {
      if (message.kind === "run-not-done") h.suspendAll();
      return true;
    };
    const h: LiveHarness<Ctx> = new LiveHarness<Ctx>(
      (ctx) =>
        ctx.run(
          "charge",
          ({ attempt }) => {
            outside.log.push(`act ${attempt}`);
            if (attempt === 1) throw new Error("reset");
            return 1;
          },
          { probe: outside.find },
        ),
      { filter },
    );
    const request = h.core.invoke("object/k/run");
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe(1);
    expect(h.sent.filter((it) => it.kind === "suspend")).toEqual([]);
  });
});

describe("a run that the code had recorded in one mode", () => {
  test.each(["at-most-once", "at-least-once"] as const)(
    "%s, keeps it when the code changes",
    async (mode) => {
      const outside = new Outside();
      outside.holding = true;
      const other = mode === "at-most-once" ? "at-least-once" : "at-most-once";
      const h = new LiveHarness<Ctx>((ctx) => ctx.run("charge", outside.act, { mode }));
      const request = h.core.invoke("object/k/run");
      await h.settle();
      h.code = (ctx) => ctx.run("charge", outside.act, { mode: other });
      outside.holding = false;
      h.crashWorker();
      await h.settle();
      if (mode === "at-least-once") expect(h.answerOf(request)).toBe(42);
      else expect(h.answerOf(request)).toMatch(/^500 run "charge" was interrupted/);
    },
  );
});

test("in each mode a result is replayed without closure or probe, whatever crashes", async () => {
  const outside = new Outside();
  const modes: readonly RunOptions<number>[] = [
    {},
    { mode: "at-most-once" },
    { probe: outside.find },
    { mode: "probe", probe: outside.find, maxRetryAttempts: 3, onMaxAttempts: "pause" },
  ];
  const h = new LiveHarness<Ctx>(async (ctx) => {
    const results: number[] = [];
    for (const [i, options] of modes.entries())
      results.push(await ctx.run(`r${i}`, outside.act, options));
    await ctx.sleep(1_000);
    return results;
  });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  for (const disturb of [() => h.crashWorker(), () => h.suspendAll(), () => h.crashWorker()]) {
    disturb();
    await h.settle();
  }
  await h.advance(1_000);
  expect(h.answerOf(request)).toEqual([42, 42, 42, 42]);
  expect(outside.log).toEqual(["act 1", "act 1", "act 1", "act 1"]);
});

/**
 * A closure that a cancellation aborts may report late all the same. What it reported was kept as a
 * proposal that nobody ever took, so the attempt counted as busy for ever: it could not be suspended, and
 * held its place in the worker until its handler ended.
 */
test.each(["returns", "throws", "finds nothing"])(
  "a cancelled execution that %s late does not keep its attempt in memory",
  async (how) => {
    let report: () => void = () => undefined;
    const reported = new Promise<void>((resolve) => {
      report = resolve;
    });
    const late = async (): Promise<number> => {
      await reported;
      if (how === "throws") throw new Error("late");
      return 1;
    };
    const options: RunOptions<number> =
      how === "finds nothing"
        ? { probe: () => reported.then(() => ({ happened: false as const })) }
        : {};
    const h = new LiveHarness<Ctx>(async (ctx) => {
      try {
        await ctx.run("slow", late, options);
      } catch {
        await ctx.sleep(60_000);
      }
      return "cleaned up";
    });
    const id = h.core.admittedId(h.core.invoke("object/k/run", { mode: "send" }));
    await h.settle();
    if (how === "finds nothing") h.crashWorker();
    await h.settle();
    h.core.ask((request) => ({ kind: "cancel", request, invocationId: id }));
    await h.settle();
    report();
    await h.settle();
    h.suspendAll();
    expect(h.attempts.size).toBe(0);
    await h.advance(60_000);
    const ref = { kind: "id", invocationId: id } as const;
    expect(h.core.ask((request) => ({ kind: "output", request, ref }))).toMatchObject({
      result: { ok: true },
    });
  },
);

describe("options that do not go together are refused at the call", () => {
  const probe = (): ProbeAnswer<unknown> => ({ happened: false });
  // Some are refused by the types already.
  const WRONG: readonly (readonly [string, RunOptions<unknown>, RegExp])[] = [
    ["a mode that there is not", { mode: "exactly-once" } as never, /one of "at-least-once"/],
    ["a probe mode without a probe", { mode: "probe" }, /needs a function that asks/],
    ["a probe that is no function", { probe: true } as never, /needs a function that asks/],
    [
      "at-most-once with a probe",
      { mode: "at-most-once", probe },
      /leave out the mode, or the probe/,
    ],
    ["at-least-once with a probe", { mode: "at-least-once", probe }, /leave out the mode/],
    ["at-most-once with tries", { mode: "at-most-once", maxRetryAttempts: 2 }, /no second try/],
    ["at-most-once with jitter", { mode: "at-most-once", retryJitter: 0 }, /no second try/],
    ["a jitter above 1", { retryJitter: 2 }, /from 0 to 1, got 2/],
    ["a jitter that is no number", { retryJitter: Number.NaN }, /from 0 to 1, got NaN/],
    [
      "another word for what comes then",
      { onMaxAttempts: "kill", maxRetryAttempts: 1 } as never,
      /"fail" or "pause"/,
    ],
    [
      "what comes after a limit that is not there",
      { onMaxAttempts: "pause" },
      /set maxRetryAttempts or maxRetryDuration/,
    ],
  ];
  test.each(WRONG)("%s", async (_, options, message) => {
    let thrown: unknown;
    const h = new LiveHarness<Ctx>((ctx) => {
      try {
        void ctx.run("x", () => 1, options);
      } catch (error) {
        thrown = error;
      }
      return "end";
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    expect(h.answerOf(request)).toBe("end");
    expect(thrown).toBeInstanceOf(Error);
    expect(String(thrown)).toMatch(message);
    expect(h.commands()).toEqual([]);
  });
});
