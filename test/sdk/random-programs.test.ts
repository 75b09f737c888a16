/**
 * Short programs over the real attempts and the real state machine, that fast-check makes smaller when
 * they fail: promises of every kind in every nesting.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkflowContext } from "../../sdk/context.ts";
import type { Command } from "../../protocol/command.ts";
import { parseInvocationId } from "../../protocol/ids.ts";
import type { Start, WorkerMessage } from "../../protocol/message.ts";
import { readJournal } from "../../runtime/core/journal.ts";
import { invocationKey } from "../../runtime/core/keys.ts";
import { decodeInvocation, type JournalEntry } from "../../runtime/core/rows.ts";
import { LiveHarness } from "../support/live-harness.ts";
import { replayOnce } from "../support/replay-once.ts";

type Ctx = WorkflowContext;

type Step =
  | { readonly op: "run" | "fails" | "call" | "date" | "get" }
  | { readonly op: "set"; readonly value: number }
  | { readonly op: "sleep" | "detached"; readonly ms: number }
  | { readonly op: "all" | "race" | "any" | "settled"; readonly branches: readonly Program[] };
type Program = readonly Step[];

const { program } = fc.letrec<{ program: Program; step: Step }>((tie) => ({
  program: fc.array(tie("step"), { minLength: 1, maxLength: 3 }),
  step: fc.oneof(
    { maxDepth: 2 },
    fc.record({ op: fc.constantFrom("run", "fails", "call", "date", "get") }),
    fc.record({ op: fc.constant("set" as const), value: fc.nat(9) }),
    fc.record({ op: fc.constantFrom("sleep", "detached"), ms: fc.nat(40) }),
    fc.record({
      op: fc.constantFrom("all", "race", "any", "settled"),
      branches: fc.array(tie("program"), { minLength: 1, maxLength: 3 }),
    }),
  ),
}));

async function execute(ctx: Ctx, steps: Program): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const step of steps) seen.push((await perform(ctx, step)) ?? null);
  return seen;
}

async function perform(ctx: Ctx, step: Step): Promise<unknown> {
  switch (step.op) {
    case "run":
      return ctx.run("run", () => "ran");
    case "fails": {
      const failing = ctx.run("fails", () => Promise.reject(new Error("no")), {
        maxRetryAttempts: 1,
      });
      return failing.catch((error: unknown) => String(error));
    }
    case "call":
      return ctx.genericCall({ service: "plain", method: "run", parameter: "called" });
    case "date":
      return typeof (await ctx.date.now());
    case "get":
      return ctx.get("x");
    case "set":
      ctx.set("x", step.value);
      return undefined;
    case "sleep":
      return ctx.sleep(step.ms);
    case "detached":
      void ctx.sleep(step.ms);
      return undefined;
    default: {
      const branches = step.branches.map((it) => execute(ctx, it));
      if (step.op === "all") return Promise.all(branches);
      if (step.op === "race") return Promise.race(branches);
      if (step.op === "any") return Promise.any(branches);
      return Promise.allSettled(branches);
    }
  }
}

const code =
  (steps: Program) =>
  async (ctx: Ctx, input: unknown): Promise<unknown> =>
    input === "called" ? "answered" : execute(ctx, steps);

interface Ran {
  readonly answer: unknown;
  readonly start: Start;
  readonly journal: readonly JournalEntry[];
}

/** Runs it to its end; `disturb` happens every few milliseconds. */
async function run(
  steps: Program,
  disturb: (h: LiveHarness<Ctx>, at: number) => void,
): Promise<Ran> {
  const h = new LiveHarness<Ctx>(code(steps));
  const request = h.core.invoke("object/k/run");
  for (let at = 0; h.core.responses.get(request) === undefined; at++) {
    if (at > 400) throw new Error("it does not end");
    await h.settle();
    disturb(h, at);
    await h.advance(7);
  }
  const start = h.core.starts(1)[0];
  const sequence = parseInvocationId(start?.invocationId ?? "")?.sequence ?? 0;
  const row = h.core.tx.get(invocationKey(sequence));
  if (start === undefined || row === undefined) throw new Error("what was started is there");
  const journal = [...readJournal(h.core.tx, decodeInvocation(sequence, row))];
  return { answer: h.answerOf(request), start, journal };
}

describe("a short program", () => {
  test("comes to its end, whatever crashes and suspensions there are, and without a mismatch", async () => {
    const disturbances = fc.array(fc.constantFrom("nothing", "crash", "suspend"), {
      minLength: 12,
      maxLength: 12,
    });
    const property = fc.asyncProperty(program, disturbances, async (steps, plan) => {
      const { answer } = await run(steps, (h, at) => {
        const what = plan[at];
        if (what === "crash") h.crashWorker();
        else if (what === "suspend") h.suspendAll();
        expect(h.sent.filter((it) => it.kind === "fail")).toEqual([]);
      });
      expect(answer).toBeInstanceOf(Array);
    });
    await fc.assert(property, { numRuns: 40 });
  }, 120_000);

  test("replays from every prefix of its journal: the next commands are the recorded ones", async () => {
    const property = fc.asyncProperty(program, async (steps) => {
      const { start, journal } = await run(steps, () => undefined);
      for (let length = 0; length <= journal.length; length++) {
        const prefix = journal.slice(0, length);
        const sent = await replayOnce(start, prefix, code(steps));
        expect(sent.filter((it) => it.kind === "fail")).toEqual([]);
        expect(commandsIn(sent)).toEqual(expectedAfter(prefix, journal));
      }
    });
    await fc.assert(property, { numRuns: 40 });
  }, 120_000);
});

/** What the code issues, as far as it does not depend on what it was sent with the start. */
const shapeOf = ({ kind, index, after, name }: Command): string =>
  `${index} after ${after}: ${kind.replace(/-here$/, "")} ${name}`;

function commandsIn(sent: readonly WorkerMessage[]): string[] {
  return sent.flatMap((it) => (it.kind === "command" ? shapeOf(it.command) : []));
}

/** The recorded commands that the code must issue once it has had the deliveries of this prefix. */
function expectedAfter(prefix: readonly JournalEntry[], whole: readonly JournalEntry[]): string[] {
  const deliveries = prefix.filter((it) => it.kind === "delivery").length;
  const commands = prefix.length - deliveries;
  const all = whole.flatMap((it) => (it.kind === "command" ? it.command : []));
  const next = all.slice(commands).filter((it) => it.after <= deliveries);
  return next.map(shapeOf);
}
