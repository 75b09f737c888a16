/** `npm run bench`: see bench/README.md. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCurves } from "./curves/run.ts";
import { checkKill, type KillReport } from "./harness/kill-check.ts";
import { describeMachine } from "./harness/machine.ts";
import { HELP, optionsOf, type BenchOptions } from "./harness/options.ts";
import { BENCH } from "./harness/paths.ts";
import { endAll } from "./harness/process.ts";
import {
  detailsOf,
  errorsOf,
  rowsOf,
  tableOf,
  type Outcome,
  type Sample,
} from "./harness/report.ts";
import { FULL, QUICK } from "./harness/scale.ts";
import { inWorld } from "./harness/world.ts";
import { holdfast } from "./peers/holdfast.ts";
import type { Peer } from "./peers/peer.ts";
import { restate, restateDefault } from "./peers/restate.ts";
import { WORKLOADS } from "./workloads/index.ts";
import type { Workload } from "./workloads/workload.ts";

/** For one workload on one product; a million sleepers take their time. */
const FULL_LIMIT_MS = 45 * 60_000;
const QUICK_LIMIT_MS = 5 * 60_000;

async function main(options: BenchOptions): Promise<void> {
  const machine = describeMachine();
  const out = options.out ?? join(BENCH, "results");
  await mkdir(out, { recursive: true });
  if (options.curves) return await runCurves(options, machine, out);

  const peers = options.withRestate ? [holdfast, restate, restateDefault] : [holdfast];
  for (const peer of peers) await peer.prepare();
  const workloads = WORKLOADS.filter(({ id }) => options.only?.includes(id) ?? true);
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const workload of workloads) {
      for (const peer of peers.filter((it) => workload.peers.includes(it.name))) {
        const outcome = await attempt(peer, workload, options);
        samples.push({ workload, peer: peer.name, round, outcome });
        say(`round ${round}, ${workload.id}, ${peer.name}: ${textOf(outcome)}`);
      }
    }
  }
  const kills = await killChecks(peers, options);

  const rows = rowsOf(samples);
  console.log(
    `\n${tableOf(
      rows,
      peers.map((it) => it.name),
    )}\n\n${detailsOf(samples)}`,
  );
  for (const [peer, text] of Object.entries(kills))
    console.log(`\nkill -9 in mid-load, ${peer}: ${text}`);
  const errors = errorsOf(samples);
  if (errors !== "") console.log(`\nFailed:\n\n${errors}`);
  const file = join(out, `${machine.startedAt.replaceAll(":", "-").slice(0, 19)}.json`);
  const plain = samples.map(({ workload, ...it }) => ({
    id: workload.id,
    title: workload.title,
    ...it,
  }));
  const descriptions = peers.map((it) => it.description);
  const { rounds, quick } = options;
  const run = { machine, peers: descriptions, rounds, quick, rows, kills, samples: plain };
  await writeFile(file, `${JSON.stringify(run, null, 2)}\n`);
  say(`written to ${file}`);
  if (errors !== "") process.exitCode = 1;
}

async function attempt(peer: Peer, workload: Workload, options: BenchOptions): Promise<Outcome> {
  const { quick, profileDir } = options;
  const system = { ...workload.system, ...(profileDir === undefined ? {} : { profileDir }) };
  // Whoever waits for a process that ended hears of it: nothing hangs for ever.
  const deadline = setTimeout(() => void endAll(), quick ? QUICK_LIMIT_MS : FULL_LIMIT_MS);
  try {
    const scale = quick ? QUICK : FULL;
    return await inWorld({ peer, scale, system }, (world) => workload.measure(world));
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(deadline);
  }
}

async function killChecks(
  peers: readonly Peer[],
  { quick }: BenchOptions,
): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  const scale = quick ? QUICK : FULL;
  for (const peer of peers.filter((it) => it.name !== "restate-default")) {
    texts[peer.name] = await inWorld({ peer, scale, system: {} }, checkKill).then(
      ({ acknowledged, inFlight }: KillReport) =>
        `all ${acknowledged} acknowledged adds are there, none twice; ${inFlight} were in flight`,
      (error: unknown) => {
        process.exitCode = 1;
        return `FAILED: ${error instanceof Error ? error.message : String(error)}`;
      },
    );
  }
  return texts;
}

function textOf(outcome: Outcome): string {
  if ("error" in outcome) return `FAILED: ${outcome.error}`;
  const figures = Object.entries(outcome.figures).map(
    ([name, value]) => `${name} ${value.toFixed(2)}`,
  );
  return figures.join(", ");
}

function say(line: string): void {
  console.error(line);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void endAll().then(() => process.exit(1)));
}

try {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) console.log(HELP);
  else await main(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
} finally {
  await endAll();
}
