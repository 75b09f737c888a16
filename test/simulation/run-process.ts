/** Runs seeds in processes of their own, and puts together what these say. */
import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { emptyTally, type Report, type Tally } from "./report.ts";

/** Most of what a seed allocates is dead when it ends: a large young generation spares the collector. */
const NODE_FLAGS = [
  "--enable-source-maps",
  "--min-semi-space-size=128",
  "--max-semi-space-size=128",
  "--single-threaded-gc",
];

export interface Seeds {
  readonly from: number;
  readonly count: number;
  /** Of these the first ones run twice. */
  readonly twice?: number;
  /** Whoever does not wait any more ends the process with it. */
  readonly signal?: AbortSignal;
  /** Takes only what others leave of the cores: what runs beside it waits for processes and clocks. */
  readonly behindOthers?: boolean;
}

/** One process. `more`: further arguments of main.ts. */
export function runSeeds(
  folder: string,
  { from, count, twice = 0, signal, behindOthers = false }: Seeds,
  more: readonly string[] = [],
): Promise<Report> {
  const args = [...NODE_FLAGS, join(folder, "test/simulation/main.js")];
  const seeds = ["--json", `--seed=${from}`, `--count=${count}`, `--twice=${twice}`];
  const child = spawn(process.execPath, [...args, ...seeds, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
    killSignal: "SIGKILL",
    ...(signal ? { signal } : {}),
  });
  if (behindOthers && child.pid !== undefined) {
    setPriority(child.pid, constants.priority.PRIORITY_LOW);
  }
  let report: Report | undefined;
  let complaints = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    report = JSON.parse(line) as Report; // main.ts writes one
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (report) resolve(report);
      else reject(new Error(`seeds from ${from}: exit ${code ?? "by signal"}: ${complaints}`));
    });
  });
}

/** Chunks of seeds over as many processes as there are cores. The first failure ends it. */
export async function runMany(
  folder: string,
  { from, count, twice = 0, signal }: Seeds,
  processes = 2,
): Promise<Report> {
  const total: Report = { tally: emptyTally(), failure: undefined };
  let next = from;
  const work = async (): Promise<void> => {
    while (next < from + count && total.failure === undefined) {
      const of = { from: next, count: Math.min(CHUNK, from + count - next), twice };
      const chunk = signal ? { ...of, signal } : of;
      next += chunk.count;
      const { tally, failure } = await runSeeds(folder, chunk);
      addTo(total.tally, tally);
      total.failure ??= failure;
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return total;
}

/** A process needs some seeds until it is quick. */
const CHUNK = 1_000;

function addTo(total: Tally, { cells, ...counts }: Tally): void {
  total.seeds += counts.seeds;
  total.steps += counts.steps;
  total.crashes += counts.crashes;
  total.executions += counts.executions;
  total.invocations += counts.invocations;
  total.followers += counts.followers;
  total.followed += counts.followed;
  for (const [cell, times] of Object.entries(cells)) {
    total.cells[cell] = (total.cells[cell] ?? 0) + times;
  }
}
