/**
 * Half of a surrogate pair is no text that a row or a frame can carry. User code may hold one all the
 * same: it hears of it at once, or its text for people is mended, and the runtime never sees it.
 */
import { describe, expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import { TerminalError } from "../../sdk/errors.ts";
import { LiveHarness } from "../support/live-harness.ts";

type Ctx = WorkflowContext;
const HALF = "cut \ud83d";
const call = { service: "plain", method: "run", parameter: null };

async function answerTo(code: (ctx: Ctx) => unknown): Promise<unknown> {
  const h = new LiveHarness<Ctx>(code);
  const request = h.core.invoke("object/k/run");
  await h.settle();
  return h.answerOf(request);
}

const REFUSED: Readonly<Record<string, (ctx: Ctx) => unknown>> = {
  "the name of a run": (ctx) => ctx.run(HALF, () => 1),
  "the name of a state": (ctx) => ctx.set(HALF, 1),
  "the key of a call": (ctx) => ctx.genericCall({ ...call, key: HALF }),
  "the handler of a call": (ctx) => ctx.genericCall({ ...call, method: HALF }),
  "an idempotency key": (ctx) => ctx.genericSend({ ...call, idempotencyKey: HALF }),
  "the value of a header": (ctx) => ctx.genericCall({ ...call, headers: { trace: HALF } }),
  "the name of a header": (ctx) => ctx.genericCall({ ...call, headers: { [HALF]: "1" } }),
  "the name of a promise": (ctx) => ctx.promise(HALF).peek(),
  "the name of a signal": (ctx) => ctx.signal(HALF),
};

describe("refused where the code can hear it", () => {
  test.each(Object.entries(REFUSED))("%s", async (_, code) => {
    const answer = await answerTo(async (ctx) => {
      try {
        await code(ctx);
      } catch (error) {
        return String(error);
      }
      return "taken";
    });
    expect(answer).toContain("half of a surrogate pair");
  });
});

describe("mended, since only people read it", () => {
  const failure = (message: string, metadata?: Record<string, string>): TerminalError =>
    new TerminalError(message, { errorCode: 418, ...(metadata && { metadata }) });

  test("the message of an error", async () => {
    const answer = await answerTo(() => {
      throw failure(HALF);
    });
    expect(answer).toBe("418 cut \ufffd");
  });

  test("a message that is cut in the middle of a pair", async () => {
    const answer = await answerTo(() => {
      throw failure(`a${"💡".repeat(10_000)}`);
    });
    expect(String(answer)).toMatch(/^418 a(💡)+ \(cut\)$/u);
  });

  test("metadata of an error", async () => {
    const answer = await answerTo(() => {
      throw failure("no", { [HALF]: HALF });
    });
    expect(answer).toBe("418 no");
  });

  test("the stack of an error that is tried again, however long", async () => {
    let tries = 0;
    const h = new LiveHarness<Ctx>(() => {
      tries++;
      if (tries > 2) return "third time lucky";
      const error = new Error("no");
      error.stack = `${"a".repeat(tries)}${"💡".repeat(5_000)}\ud83d`;
      throw error;
    });
    const request = h.core.invoke("object/k/run");
    for (let i = 0; i < 3; i++) await h.advance(60_000);
    expect(h.answerOf(request)).toBe("third time lucky");
  });
});
