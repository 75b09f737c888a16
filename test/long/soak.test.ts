/**
 * A mixed load under retention of seconds, so that as much is deleted as is written: calls, sleeps,
 * awakeables, delayed sends, chains. In the first half the runtime is killed every minute or so; in the
 * second it lives on, so that a leak of its memory shows. A worker is killed in between, all the time.
 * Every few seconds all is compared with the expected state, and file, memory and readers are measured.
 *
 * HOLDFAST_SOAK_MINUTES and HOLDFAST_KILL_SEED make another run. Shorter than five minutes nothing is
 * said of what levels off: that run only shows that the soak works.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { stopAll } from "../e2e/support/processes.ts";
import { World } from "../kill/support/world.ts";
import { sample, thirds, type Sample } from "./samples.ts";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const MINUTES = setting("HOLDFAST_SOAK_MINUTES", 0.2);
const SEED = setting("HOLDFAST_KILL_SEED", Date.now() % 1_000_000);
const KILL_EVERY_MS = setting("HOLDFAST_SOAK_KILL_SECONDS", 60) * 1_000;

/** Longer than a restart takes: a client that asks again within it must find its first answer. */
const RETENTION_MS = 30_000;
const LOAD_MS = 4_000;
const CLIENTS = 8;
const THINK_MS = 20;
const RETENTION = ["idempotencyRetentionMs", "journalRetentionMs", "workflowRetentionMs"];

afterEach(stopAll);

test(
  "under load, kills and retention nothing is lost, and file and memory level off",
  async () => {
    const flags = RETENTION.flatMap((it) => ["--limit", `${it}=${RETENTION_MS}`]);
    const askAgainMs = RETENTION_MS / 2;
    const world = await World.start({ name: "soak", seed: SEED, runtime: { flags }, askAgainMs });
    process.stdout.write(`soak, seed ${SEED}: ${MINUTES} minutes on ${world.dataDir}\n`);
    const samples = await soak(world);
    await world.killRuntime();
    const rows = await world.verify();
    const { kills, workload, outside } = world;
    const counts = { asked: workload.asked, executions: outside.executions, kills, rows };
    process.stdout.write(`soak, seed ${SEED}: ${JSON.stringify(counts)}\n`);
    await world.close();
    await keep(samples);
    if (MINUTES >= 5) expectLevel(samples);
    expect(workload.asked).toBeGreaterThan(0);
  },
  120_000 + MINUTES * 120_000,
);

async function soak(world: World): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedMs = performance.now();
  const halfMs = startedMs + MINUTES * 30_000;
  let killAtMs = startedMs + KILL_EVERY_MS;
  for (let round = 1; performance.now() < startedMs + MINUTES * 60_000; round++) {
    world.workload.start(CLIENTS, THINK_MS);
    await delay(LOAD_MS);
    if (performance.now() > killAtMs) {
      killAtMs = performance.now() + KILL_EVERY_MS;
      await killSomething(world, performance.now() < halfMs, round);
    }
    const runtimePid = world.runtime.child.pid ?? 0;
    const workerPid = world.workers[0]?.child.pid ?? 0;
    const atSeconds = Math.round((performance.now() - startedMs) / 1_000);
    samples.push(await sample({ dataDir: world.dataDir, runtimePid, workerPid, atSeconds }));
    await world.expectAllIsWell();
    await world.nextGeneration();
    if (round % 12 === 0) process.stdout.write(`soak: ${JSON.stringify(samples.at(-1))}\n`);
  }
  return samples;
}

async function killSomething(world: World, runtimeToo: boolean, round: number): Promise<void> {
  if (runtimeToo) {
    await world.killRuntime();
    await world.startRuntime();
    return;
  }
  // The second one: the first lives through all of it, so that its memory can be compared.
  await world.killWorker(1);
  if (round % 2 === 0) await delay(500);
  await world.startWorker(1);
}

/** The bounds are generous: what grows without end passes them in a quarter of an hour. */
function expectLevel(samples: readonly Sample[]): void {
  const afterStart = samples.filter((it) => it.atSeconds > (2 * RETENTION_MS) / 1_000);
  const file = thirds(afterStart.map((it) => it.fileMb));
  const secondHalf = samples.slice(Math.ceil(samples.length * 0.55));
  const runtime = thirds(secondHalf.map((it) => it.runtimeMb));
  const worker = thirds(secondHalf.map((it) => it.workerMb));
  const lag = thirds(afterStart.map((it) => it.readerLag));
  process.stdout.write(
    `soak, medians of thirds: ${JSON.stringify({ file, runtime, worker, lag })}\n`,
  );
  expect(file[2], "MB of data.mdb").toBeLessThan(file[1] * 1.3 + 4);
  expect(runtime[2], "MB of the runtime").toBeLessThan(runtime[0] * 1.3 + 30);
  expect(worker[2], "MB of a worker").toBeLessThan(worker[0] * 1.3 + 30);
  expect(lag[2], "commits that a reader lags").toBeLessThan(lag[0] + 1_000);
}

async function keep(samples: readonly Sample[]): Promise<void> {
  const directory = process.env["HOLDFAST_SOAK_KEEP"];
  if (directory === undefined) return;
  await mkdir(directory, { recursive: true });
  const lines = samples.map((it) => `${JSON.stringify(it)}\n`);
  await writeFile(`${directory}/soak-${SEED}.jsonl`, lines.join(""));
}
