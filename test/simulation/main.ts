/**
 * Runs seeds in a process of its own, whose clocks are replaced.
 *
 * `npm run simulate -- --seed 123` repeats one seed and prints everything that happened.
 * `npm run simulate -- --seed 1 --count 1000` runs as many from there, until one fails.
 * `--json`: one line for whoever started it. `--quick`: looks for no smaller plan of faults.
 */
import { parseArgs } from "node:util";
import { describeFailure } from "./describe-failure.ts";
import { emptyTally, type Found, type Report, type Tally } from "./report.ts";
import { shrink } from "./shrink.ts";
import { Failure, Simulation, type Outcome } from "./simulation.ts";
import { time } from "./time.ts";

const TRACE_LINES = 60;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    /** Of these seeds the first ones are run a second time, and must come out the same. */
    twice: { type: "string", default: "0" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

async function main(): Promise<Report> {
  time.install();
  const from = Number(values.seed);
  const count = Number(values.count);
  const tally = emptyTally();
  for (let seed = from; seed < from + count; seed++) {
    try {
      const outcome = await new Simulation(seed).run();
      add(tally, outcome);
      if (seed < from + Number(values.twice)) await runAgain(seed, outcome.hash);
      if (count === 1 && !values.json) print(outcome.log.join("\n"));
    } catch (error) {
      return { tally, failure: await describe(seed, error) };
    }
  }
  return { tally, failure: undefined };
}

async function runAgain(seed: number, hash: string): Promise<void> {
  const again = await new Simulation(seed).run();
  if (again.hash !== hash) throw new Error("I22: the same seed came out in another way");
}

function add(tally: Tally, outcome: Outcome): void {
  tally.seeds++;
  tally.steps += outcome.steps;
  tally.crashes += outcome.crashes;
  tally.executions += outcome.executions;
  tally.invocations += outcome.invocations;
  tally.followers += outcome.followers;
  tally.followed += outcome.followed;
  for (const [cell, times] of outcome.cells) tally.cells[cell] = (tally.cells[cell] ?? 0) + times;
}

async function describe(seed: number, error: unknown): Promise<Found> {
  if (!(error instanceof Failure)) {
    const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
    return { seed, message, stack, plan: [], trace: [] };
  }
  const { message, fired, trace, cause } = values.quick ? error : await shrink(seed, error);
  const stack = cause instanceof Error ? (cause.stack ?? "") : "";
  const shown = values.json ? readable(trace).slice(-TRACE_LINES) : trace;
  return { seed, message, stack, plan: fired, trace: shown };
}

/** Of time that goes on and on only the sum matters. */
function readable(trace: readonly string[]): string[] {
  const lines: string[] = [];
  let waitedMs = 0;
  for (const line of trace) {
    const ms = /^time goes on by (\d+) ms$/.exec(line)?.[1];
    if (ms === undefined) {
      if (waitedMs > 0) lines.push(`time goes on by ${waitedMs} ms`);
      lines.push(line);
      waitedMs = 0;
    } else waitedMs += Number(ms);
  }
  return lines;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function say({ tally, failure }: Report): void {
  const { cells, ...counts } = tally;
  if (failure) print(describeFailure(failure));
  print(`${JSON.stringify(counts)}, ${Object.keys(cells).length} cells of fault by status`);
}

const report = await main();
process.exitCode = report.failure === undefined ? 0 : 1;
if (values.json) print(JSON.stringify(report));
else say(report);
