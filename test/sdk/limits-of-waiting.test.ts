/** How long an attempt may wait: for the runtime in memory, and for something of its own at all. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;

// Timers stand still until they are moved; turns of the event loop are real.
beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => vi.useRealTimers());

const real = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = (): Promise<never> => new Promise(() => undefined);

describe("abortTimeout", () => {
  test("fails an attempt that awaits what never comes; the policy tries it again", async () => {
    let attempts = 0;
    const h = new LiveHarness<Ctx>(
      async (ctx) => {
        const before = await ctx.run("before", () => 1);
        attempts++;
        if (attempts === 1) await never();
        return before;
      },
      { abortTimeoutMs: 5_000 },
    );
    const request = h.core.invoke("object/k/run");
    await h.settle();
    vi.advanceTimersByTime(4_999);
    await h.settle();
    expect(h.attempts.size).toBe(1);
    vi.advanceTimersByTime(1);
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe(1);
    expect(h.warnings.join()).toMatch(/nothing has happened for 5000 ms.*abortTimeout/);
  });

  test("is ten minutes where nothing is said", async () => {
    const h = new LiveHarness<Ctx>(never);
    h.core.invoke("object/k/run");
    await h.settle();
    vi.advanceTimersByTime(600_000 - 1);
    expect(h.attempts.size).toBe(1);
    vi.advanceTimersByTime(1);
    expect(h.attempts.size).toBe(0);
  });

  test.each([
    ["waits for the runtime", (ctx: Ctx) => ctx.awakeable().promise],
    ["executes a closure", (ctx: Ctx) => ctx.run("slow", never)],
    [
      "waits for the runtime, as it asked outside a turn",
      (ctx: Ctx) => real().then(() => ctx.sleep(9e9)),
    ],
  ] as const)("leaves alone one that %s", async (_, code) => {
    const h = new LiveHarness<Ctx>(code, { abortTimeoutMs: 1, inactivityTimeoutMs: 1e9 });
    h.core.invoke("object/k/run");
    await h.settle();
    vi.advanceTimersByTime(1_000_000);
    expect(h.attempts.size).toBe(1);
    expect(h.sent.filter((it) => it.kind === "fail")).toEqual([]);
  });

  test("begins anew with each call of ctx", async () => {
    let goOn: () => void = () => undefined;
    const h = new LiveHarness<Ctx>(
      async (ctx) => {
        for (let i = 0; ; i++) {
          await new Promise<void>((resolve) => void (goOn = resolve));
          ctx.set(`step ${i}`, i);
        }
      },
      { abortTimeoutMs: 1_000 },
    );
    h.core.invoke("object/k/run");
    for (let i = 0; i < 5; i++) {
      await h.settle();
      vi.advanceTimersByTime(900);
      goOn();
    }
    await h.settle();
    expect(h.attempts.size).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(h.attempts.size).toBe(0);
  });
});

describe("the inactivity timeout", () => {
  /**
   * A command from outside a turn opens no turn and closes none, and the timeout began with the end of a
   * turn: a handler that slept for a month after a `fetch` stayed in memory for that month.
   */
  test("suspends an attempt that began to wait from outside a turn", async () => {
    const code = async (ctx: Ctx): Promise<string> => {
      await real();
      await ctx.sleep(1_000);
      return "rested";
    };
    const h = new LiveHarness<Ctx>(code, { inactivityTimeoutMs: 100 });
    const request = h.core.invoke("object/k/run");
    await h.settle();
    vi.advanceTimersByTime(100);
    await h.settle();
    expect(h.attempts.size).toBe(0);
    await h.advance(1_000);
    expect(h.answerOf(request)).toBe("rested");
  });

  /** Node fires a timer of more than 24.8 days at once: a longer limit meant none at all. */
  test.each(["inactivityTimeoutMs", "abortTimeoutMs"] as const)(
    "or any other of 100 years is not over at once: %s",
    async (limit) => {
      vi.useRealTimers();
      const code = limit === "abortTimeoutMs" ? never : (ctx: Ctx) => ctx.awakeable().promise;
      const h = new LiveHarness<Ctx>(code, { [limit]: 36_525 * 86_400_000 });
      h.core.invoke("object/k/run");
      await h.settle();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(h.attempts.size).toBe(1);
    },
  );
});
