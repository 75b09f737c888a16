/** Makes a recording: the real runtime under strace, a worker, clients, and a SIGKILL per tenure. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../simulation/random.ts";
import { lastingPort } from "../../support/lasting-ports.ts";
import type { Package } from "./compile.ts";
import { Load } from "./load.ts";
import { RECORD_FLAGS } from "./strace.ts";

/** What a recording leaves in its directory. `processes/check-images.ts` reads it. */
export interface RecordingFile {
  readonly seed: number;
  readonly dataDir: string;
  readonly tenures: number;
  readonly observed: Load["observed"];
}

const TENURES = 2;
const ANSWERS = { least: 10, most: 80 } as const;

export interface RecordOptions {
  readonly seed: number;
  /** How many answers the clients get before the runtime is killed: drawn between these. */
  readonly answers?: { readonly least: number; readonly most: number };
  /** More for strace: faults. */
  readonly straceFlags?: readonly string[];
}

export async function record(built: Package, path: string, options: RecordOptions): Promise<void> {
  const { seed, answers = ANSWERS, straceFlags = [] } = options;
  const random = new Random(seed, "record");
  const dataDir = join(path, "data");
  const load = new Load(seed);
  // The worker dials it again, whichever tenure that is.
  const workerPort = await lastingPort();
  let worker: ChildProcess | undefined;
  await mkdir(path, { recursive: true });
  try {
    for (let tenure = 0; tenure < TENURES; tenure++) {
      const runtime = await startTraced(built, { path, dataDir, tenure, workerPort, straceFlags });
      worker ??= await startWorker(built, runtime.workerUrl);
      const enough = load.answered(random.int(answers.least, answers.most));
      const ended = load.run(runtime.ingressUrl);
      await Promise.race([enough, ended]);
      // Not a wait for anything: an answer would always be the last that it did.
      await delay(random.int(0, 5));
      await runtime.kill();
      load.stop();
      await ended;
      await cp(join(dataDir, "partitions/0"), join(path, `left-${tenure}`), { recursive: true });
    }
  } finally {
    worker?.kill("SIGKILL");
  }
  await cp(join(dataDir, "holdfast.json"), join(path, "holdfast.json"));
  await rm(dataDir, { recursive: true });
  const file: RecordingFile = { seed, dataDir, tenures: TENURES, observed: load.observed };
  await writeFile(join(path, "recording.json"), JSON.stringify(file));
}

/** A runtime ended instead of serving. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
}

interface Traced {
  readonly ingressUrl: string;
  readonly workerUrl: string;
  kill(): Promise<void>;
}

interface TracedOptions {
  readonly path: string;
  readonly dataDir: string;
  readonly tenure: number;
  readonly workerPort: string;
  readonly straceFlags: readonly string[];
}

async function startTraced(built: Package, options: TracedOptions): Promise<Traced> {
  const { path, dataDir, tenure, workerPort } = options;
  const ports = ["--ingress-port", "0", "--admin-port", "0", "--worker-port", workerPort];
  const command = [built.cli, "start", "--data-dir", dataDir, "--log-level", "warn", ...ports];
  const trace = join(path, `trace-${tenure}`);
  const flags = [...RECORD_FLAGS, ...options.straceFlags, "-o", trace];
  const strace = spawn("strace", [...flags, process.execPath, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  createInterface(strace.stderr).on("line", (line) => said.push(line));
  const exit = once(strace, "exit");
  const ready = await Promise.race([firstLine(strace.stdout), exit.then(() => "")]);
  const [, ingressUrl, workerUrl, pid] =
    /^holdfast ready ingress=(\S+) admin=\S+ worker=(\S+) pid=(\d+)$/.exec(ready) ?? [];
  if (ingressUrl === undefined || workerUrl === undefined) {
    throw new StartRefused(said.join("\n"));
  }
  const kill = async (): Promise<void> => {
    process.kill(Number(pid), "SIGKILL");
    await exit;
  };
  return { ingressUrl, workerUrl, kill };
}

async function firstLine(stream: Readable | null): Promise<string> {
  if (stream === null) throw new Error("it was started with a pipe");
  const [line] = (await once(createInterface(stream), "line")) as [string]; // readline's own event
  return line;
}

/** Resolves when it is registered; it dials again by itself after each death of the runtime. */
async function startWorker(built: Package, url: string): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [built.script("worker")], {
    env: { ...process.env, HOLDFAST_URL: url },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const line = await firstLine(worker.stderr);
  if (!line.startsWith("holdfast worker ready")) throw new Error(`the worker said: ${line}`);
  return worker;
}
