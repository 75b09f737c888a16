/** Plain promises work: live, after a crash at every point, after a suspension at every point. */
import { setTimeout as realDelay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { TerminalError, TimeoutError, CancelledError } from "../../sdk/errors.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { bytes } from "../support/core-harness.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
type Disturb = (h: LiveHarness<Ctx>) => void;

const DISTURBANCES: Readonly<Record<string, Disturb>> = {
  nothing: () => undefined,
  "a crash of the worker": (h) => h.crashWorker(),
  "a suspension": (h) => h.suspendAll(),
};

/** Runs the code to its end, with the disturbance every 10 ms of its time. */
async function outcomeOf(
  code: (ctx: Ctx) => unknown,
  disturb: Disturb,
  path = "object/k/run",
): Promise<unknown> {
  const h = new LiveHarness<Ctx>(code);
  const request = h.core.invoke(path);
  for (let i = 0; i < 12 && h.core.responses.get(request) === undefined; i++) {
    await h.settle();
    disturb(h);
    await h.advance(10);
  }
  await h.settle();
  return h.answerOf(request);
}

const PROGRAMS: Readonly<
  Record<string, readonly [code: (ctx: Ctx) => unknown, expected: unknown]>
> = {
  "one after the other": [
    async (ctx) => {
      const a = await ctx.run("a", () => 1);
      await ctx.sleep(5);
      return [a, await ctx.run("b", () => 2)];
    },
    [1, 2],
  ],
  "Promise.all": [
    async (ctx) =>
      Promise.all([
        ctx.run("a", () => "a"),
        ctx.sleep(15).then(() => "slept"),
        ctx.run("b", () => "b"),
      ]),
    ["a", "slept", "b"],
  ],
  "Promise.race": [
    async (ctx) => {
      const first = await Promise.race([
        ctx.sleep(25).then(() => "slow"),
        ctx.sleep(5).then(() => "quick"),
      ]);
      await ctx.sleep(30);
      return [first, await ctx.run("after", () => 1)];
    },
    ["quick", 1],
  ],
  "Promise.any": [
    async (ctx) =>
      Promise.any([
        ctx.run("fails", () => {
          throw new TerminalError("no");
        }),
        ctx.sleep(15).then(() => "any"),
      ]),
    "any",
  ],
  "Promise.allSettled": [
    async (ctx) => {
      const settled = await Promise.allSettled([
        ctx.run("fails", () => {
          throw new TerminalError("no");
        }),
        ctx.sleep(15),
      ]);
      return settled.map((it) => it.status);
    },
    ["rejected", "fulfilled"],
  ],
  "a derived then that goes on by itself": [
    async (ctx) => {
      const chain = ctx.sleep(5).then(() => ctx.run("in the chain", () => "chained"));
      const beside = await ctx.run("beside", () => "beside");
      return [beside, await chain];
    },
    ["beside", "chained"],
  ],
  "a detached chain": [
    async (ctx) => {
      void ctx.sleep(5).then(() => ctx.set("seen", true));
      await ctx.sleep(15);
      return ctx.get("seen");
    },
    true,
  ],
  "a rejection before its await": [
    async (ctx) => {
      const early = ctx.run("fails", () => {
        throw new TerminalError("early", { errorCode: 418 });
      });
      await ctx.sleep(15);
      try {
        await early;
        return "not thrown";
      } catch (error) {
        return error instanceof TerminalError ? error.message : "another error";
      }
    },
    "early",
  ],
  "a promise left open at the end": [
    async (ctx) => {
      void ctx.sleep(1_000_000);
      void ctx.awakeable().promise;
      await ctx.sleep(5);
      return "done";
    },
    "done",
  ],
  "orTimeout, the promise first": [
    async (ctx) => {
      const value = await ctx.run("quick", () => 1).orTimeout(1_000);
      await ctx.sleep(5);
      return value;
    },
    1,
  ],
  "orTimeout, the time first": [
    async (ctx) => {
      try {
        await ctx.awakeable().promise.orTimeout(15);
      } catch (error) {
        return error instanceof TimeoutError && error.code;
      }
      return "not thrown";
    },
    408,
  ],
  "a map": [async (ctx) => ctx.sleep(5).map(() => "mapped"), "mapped"],
  "branches that each do several things": [
    async (ctx) => {
      const branch = async (name: string, ms: number): Promise<string[]> => {
        const one = await ctx.run(`${name} 1`, () => `${name} 1`);
        await ctx.sleep(ms);
        return [one, await ctx.run(`${name} 2`, () => `${name} 2`)];
      };
      return (await Promise.all([branch("x", 20), branch("y", 5), branch("z", 12)])).flat();
    },
    ["x 1", "x 2", "y 1", "y 2", "z 1", "z 2"],
  ],
  "time and randomness": [
    async (ctx) => {
      const before = [await ctx.date.now(), ctx.rand.random(), ctx.rand.uuidv4()];
      await ctx.sleep(15);
      const again = [await ctx.date.now(), ctx.rand.random()];
      return [before.length, again.length];
    },
    [3, 2],
  ],
};

describe.each(Object.keys(PROGRAMS))("%s", (name) => {
  test.each(Object.keys(DISTURBANCES))("gives the same through %s", async (disturbance) => {
    const [code, expected] = PROGRAMS[name]!;
    expect(await outcomeOf(code, DISTURBANCES[disturbance]!)).toEqual(expected);
  });
});

describe("two branches that await real timers and then each run a step", () => {
  let replays = 0;

  /** One timer is quicker than the other, and on replay the other way round. */
  const branches =
    (one: string, two: string, ms: readonly [number, number]) => async (ctx: Ctx) => {
      const branch = async (delayMs: number, name: string): Promise<string> => {
        await realDelay(delayMs);
        return ctx.run(name, () => `${name} ran`);
      };
      const [first, second] = replays++ % 2 === 0 ? ms : [ms[1], ms[0]];
      const both = await Promise.all([branch(first, one), branch(second, two)]);
      await ctx.sleep(50);
      return both;
    };

  async function run(code: (ctx: Ctx) => unknown) {
    replays = 0;
    const h = new LiveHarness<Ctx>(code);
    const request = h.core.invoke("object/k/run");
    const steps = (): number => h.sent.filter((it) => it.kind === "run-result").length;
    while (steps() < 2 && !h.sent.some((it) => it.kind === "fail")) await realDelay(1);
    await h.settle();
    h.crashWorker();
    while (!h.sent.some((it) => it.kind === "end" || it.kind === "fail")) {
      await realDelay(1);
      await h.advance(50);
    }
    return { h, request };
  }

  test.each([[[1, 1]], [[1, 25]], [[25, 1]]] as const)(
    "replay right with two names, after %j ms and the other way round",
    async (ms) => {
      const { h, request } = await run(branches("one", "two", ms));
      await h.settle();
      expect(h.answerOf(request)).toEqual(["one ran", "two ran"]);
      expect(h.sent.filter((it) => it.kind === "run-result").length).toBe(2);
      const warned = h.warnings.filter((it) => it.includes("outside a turn"));
      expect(warned.length).toBeGreaterThan(0);
      expect(warned[0]).toContain("promises.test.ts");
    },
  );

  test("with one name the second is refused, with its line", async () => {
    const { h } = await run(branches("same", "same", [1, 1]));
    const failed = h.sent.find((it) => it.kind === "fail");
    expect(failed?.kind === "fail" && failed.failure.message).toContain(
      'a second run "same" from outside a turn',
    );
    expect(failed?.kind === "fail" && failed.stack).toContain("promises.test.ts");
  });
});

test("a run that has not started when the handler returns never starts, and is named", async () => {
  let ran = false;
  const h = new LiveHarness<Ctx>((ctx) => {
    void ctx.run("forgotten", () => {
      ran = true;
    });
    return "done";
  });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  expect(h.answerOf(request)).toBe("done");
  expect(ran).toBe(false);
  expect(h.warnings.join()).toContain('"forgotten"');
});

test("commands after the handler has settled are dropped", async () => {
  const h = new LiveHarness<Ctx>((ctx) => {
    void Promise.resolve().then(() => Promise.resolve().then(() => ctx.set("late", 1)));
    return "done";
  });
  h.core.invoke("object/k/run");
  await h.settle();
  expect(h.commands()).toEqual([]);
});

test("two deliveries of one moment are two turns", async () => {
  const order: string[] = [];
  const h = new LiveHarness<Ctx>(async (ctx) => {
    const a = ctx.sleep(10).then(async () => {
      order.push("a");
      await Promise.resolve();
      await Promise.resolve();
      order.push("a later");
    });
    const b = ctx.sleep(10).then(() => order.push("b"));
    await Promise.all([a, b]);
  });
  h.core.invoke("object/k/run");
  await h.advance(10);
  expect(order).toEqual(["a", "a later", "b"]);
});

test("an unhandled rejection in user code fails its own attempt and nothing else", async () => {
  let failing = true;
  const h = new LiveHarness<Ctx>(async (ctx) => {
    if (failing) void ctx.sleep(5).then(() => Promise.reject(new Error("nobody looked")));
    await ctx.sleep(30);
    return "done";
  });
  const bad = h.core.invoke("object/bad/run");
  await h.settle();
  failing = false;
  const good = h.core.invoke("object/good/run");
  await h.advance(10);
  expect(h.sent.filter((it) => it.kind === "fail").length).toBe(1);
  await h.advance(30);
  expect(h.answerOf(good)).toBe("done");
  expect(h.answerOf(bad)).toBeUndefined();
});

describe("a cancellation", () => {
  async function cancelled(code: (ctx: Ctx) => unknown, disturb: Disturb) {
    const h = new LiveHarness<Ctx>(code);
    const request = h.core.invoke("object/k/run");
    await h.settle();
    const invocationId = h.core.starts(1)[0]?.invocationId;
    if (invocationId === undefined) throw new Error("it has started");
    h.core.ask((ask) => ({ kind: "cancel", request: ask, invocationId }));
    await h.settle();
    disturb(h);
    for (let i = 0; i < 5; i++) await h.advance(10);
    return { h, request };
  }

  test.each(Object.keys(DISTURBANCES))(
    "rejects everything outstanding in command order, through %s",
    async (name) => {
      const { h, request } = await cancelled(async (ctx) => {
        const seen: string[] = [];
        const note = (label: string) => (error: unknown) => {
          seen.push(`${label} ${error instanceof CancelledError}`);
        };
        const all = [
          ctx.sleep(1_000).catch(note("sleep")),
          ctx.awakeable().promise.catch(note("awakeable")),
          ctx.sleep(2_000).catch(note("second sleep")),
        ];
        await Promise.all(all);
        // Compensation is ordinary code.
        seen.push(await ctx.run("compensate", () => "compensated"));
        await ctx.sleep(15);
        return seen;
      }, DISTURBANCES[name]!);
      expect(h.answerOf(request)).toEqual([
        "sleep true",
        "awakeable true",
        "second sleep true",
        "compensated",
      ]);
    },
  );

  test("reaches a running closure as an abort, and it gets no second try", async () => {
    let tries = 0;
    let aborted = false;
    const { h, request } = await cancelled(
      (ctx) =>
        ctx.run("long", ({ signal }) => {
          tries++;
          return new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted = true;
              reject(new Error("aborted"));
            });
          });
        }),
      DISTURBANCES["nothing"]!,
    );
    expect(aborted).toBe(true);
    expect(tries).toBe(1);
    expect(h.answerOf(request)).toBe("409 Cancelled");
  });

  test("with nothing outstanding waits for the next promise, whose command is not issued", async () => {
    let release = (): void => undefined;
    const h = new LiveHarness<Ctx>(async (ctx) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      try {
        await ctx.sleep(10);
      } catch (error) {
        return error instanceof CancelledError;
      }
      return "not cancelled";
    });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    const invocationId = h.core.starts(1)[0]!.invocationId;
    h.core.ask((ask) => ({ kind: "cancel", request: ask, invocationId }));
    await h.settle();
    release();
    await h.settle();
    expect(h.answerOf(request)).toBe(true);
    expect(h.commands()).toEqual([]);
  });
});

test("a signal that comes before it is awaited is kept, in order per name", async () => {
  const h = new LiveHarness<Ctx>(async (ctx, input) => {
    if (typeof input === "string") {
      const other = ctx.invocation(input);
      other.signal("s").resolve("one");
      other.signal("t").resolve("other");
      other.signal("s").resolve("two");
      return null;
    }
    await ctx.sleep(20);
    const first = await ctx.signal("s");
    await ctx.sleep(20);
    return [first, await ctx.signal("s"), await ctx.signal("t")];
  });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  const id = h.core.starts(1)[0]!.invocationId;
  h.core.invoke("plain/run", { body: JSON.stringify(id) });
  await h.advance(25);
  h.crashWorker();
  await h.advance(25);
  expect(h.answerOf(request)).toEqual(["one", "two", "other"]);
});

test("the value of a run is what a replay would give, the first time too", async () => {
  const h = new LiveHarness<Ctx>(async (ctx) => {
    const value = await ctx.run("value", () => ({ at: { toJSON: undefined, n: 1 } }));
    return Object.getPrototypeOf(value.at) === Object.prototype && Object.keys(value.at);
  });
  const request = h.core.invoke("object/k/run");
  await h.settle();
  expect(["500", "n"].some((it) => JSON.stringify(h.answerOf(request)).includes(it))).toBe(true);
});

test("commands of a cut-off turn are accepted late", async () => {
  let dropped = 0;
  const h = new LiveHarness<Ctx>(
    async (ctx) => {
      const all = ["a", "b", "c"].map((name) => ctx.run(name, () => name));
      return Promise.all(all);
    },
    {
      // Of the first turn only one command gets through before the worker dies.
      filter: (message) =>
        !(message.kind === "command" && message.command.index > 0 && dropped++ < 2),
    },
  );
  const request = h.core.invoke("object/k/run");
  await h.settle();
  h.crashWorker();
  await h.settle();
  expect(h.answerOf(request)).toEqual(["a", "b", "c"]);
  expect(bytes("").length).toBe(0);
});
