/**
 * Real processes for end-to-end tests: the runtime as users start it, workers, and an outside
 * service that sees every arrival. Everything that was started is ended by `stopAll`, whatever the
 * test did, and every data directory that is left must be sound. Plain `node`, so that a SIGKILL hits the process itself.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { lastingPorts } from "../../support/lasting-ports.ts";
import { requireSound } from "../../support/sound-directory.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const CLI = join(ROOT, "dist/cli/main.js");

const running = new Set<ChildProcess>();
const directories = new Set<string>();

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => end(child, "SIGKILL")));
  const left = [...directories];
  directories.clear();
  try {
    for (const path of left) await requireSound(path);
  } finally {
    await Promise.all(left.map((path) => rm(path, { recursive: true, force: true })));
  }
}

export async function newDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  directories.add(path);
  return path;
}

export interface RuntimeProcess {
  readonly dataDir: string;
  readonly ingressUrl: string;
  readonly adminUrl: string;
  readonly workerUrl: string;
  readonly ports: readonly [ingress: string, admin: string, worker: string];
  readonly child: ChildProcess;
  readonly log: readonly string[];
  kill(): Promise<void>;
  terminate(): Promise<number | null>;
  /** SIGKILL and a new process on the same directory and the same ports. */
  killAndRestart(): Promise<RuntimeProcess>;
}

export interface RuntimeOptions {
  /** Of another build than ours. */
  readonly cli?: string;
  readonly dataDir?: string;
  /** Default: some that are still free after a SIGKILL. */
  readonly ports?: readonly [ingress: string, admin: string, worker: string];
  readonly env?: Readonly<Record<string, string>>;
  /** More of the command line. */
  readonly flags?: readonly string[];
}

/** A runtime from its first moment on, so that it can be killed before it is ready. */
export interface StartingRuntime {
  readonly child: ChildProcess;
  /** Rejects if it ends before. */
  readonly ready: Promise<RuntimeProcess>;
  kill(): Promise<void>;
}

export async function startRuntimeProcess(options: RuntimeOptions = {}): Promise<RuntimeProcess> {
  const { dataDir = await newDirectory(), ports = await lastingPorts() } = options;
  return launchRuntimeProcess({ ...options, dataDir, ports }).ready;
}

export function launchRuntimeProcess(
  options: RuntimeOptions & Required<Pick<RuntimeOptions, "dataDir" | "ports">>,
): StartingRuntime {
  const { dataDir, cli = CLI, flags: more = [] } = options;
  const [ingress, admin, worker] = options.ports;
  const ports = ["--ingress-port", ingress, "--admin-port", admin, "--worker-port", worker];
  const child = launch([cli, "start", "--data-dir", dataDir, ...ports, ...more], options.env);
  const ready = readyRuntime(child, options);
  // Who kills it before it is ready need not look.
  ready.catch(() => undefined);
  return { child, ready, kill: () => end(child, "SIGKILL") };
}

async function readyRuntime(
  child: ChildProcess,
  options: RuntimeOptions & Required<Pick<RuntimeOptions, "dataDir" | "ports">>,
): Promise<RuntimeProcess> {
  const { dataDir, ports } = options;
  const log = collect(child);
  const line = await firstLine(child, child.stdout, /^holdfast ready /, log);
  const [, ingressUrl = "", adminUrl = "", workerUrl = ""] =
    /ingress=(\S+) admin=(\S+) worker=(\S+) pid=\d+$/.exec(line) ?? [];
  return {
    dataDir,
    ingressUrl,
    adminUrl,
    workerUrl,
    ports,
    child,
    log,
    kill: () => end(child, "SIGKILL"),
    terminate: async () => {
      await end(child, "SIGTERM");
      return child.exitCode;
    },
    killAndRestart: async () => {
      await end(child, "SIGKILL");
      return startRuntimeProcess(options);
    },
  };
}

/** A runtime that is expected to refuse to start: its exit code and what it said. */
export async function failToStart(
  dataDir: string,
  more: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly said: string }> {
  const ports = ["--ingress-port", "0", "--admin-port", "0", "--worker-port", "0"];
  const child = launch([CLI, "start", "--data-dir", dataDir, ...ports, ...more]);
  const log = collect(child);
  await closed(child);
  return { code: child.exitCode, said: log.join("\n") };
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  readonly log: readonly string[];
  /** Resolves when the process has ended, however it came about. */
  readonly exited: Promise<void>;
  kill(): Promise<void>;
  terminate(): Promise<number | null>;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** Starts `test/e2e/workers/<script>` and waits until it is registered. */
export async function startWorkerProcess(
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<WorkerProcess> {
  const worker = launchWorkerProcess(script, env);
  const { child, log } = worker;
  await firstLine(child, child.stderr, /^holdfast worker ready /, log);
  return worker;
}

/** The same from its first moment on. */
export function launchWorkerProcess(
  script: string,
  env: Readonly<Record<string, string>>,
): WorkerProcess {
  const child = launch([join(ROOT, "test/e2e/workers", script)], env);
  const log = collect(child);
  return {
    child,
    log,
    exited: closed(child),
    kill: () => end(child, "SIGKILL"),
    terminate: async () => {
      await end(child, "SIGTERM");
      return child.exitCode;
    },
    signal: (signal) => {
      child.kill(signal);
    },
  };
}

function launch(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(process.execPath, [...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}

function collect(child: ChildProcess): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  return lines;
}

async function firstLine(
  child: ChildProcess,
  stream: ChildProcess["stdout"],
  pattern: RegExp,
  log: readonly string[],
): Promise<string> {
  if (stream === null) throw new Error("the process has no such stream");
  const lines = createInterface({ input: stream });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      if (pattern.test(line)) resolve(line);
    });
    child.once("close", (code) => {
      reject(new Error(`ended with ${code} before it said ${pattern}:\n${log.join("\n")}`));
    });
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const done = closed(child);
  child.kill(signal);
  await done;
}

async function closed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await once(child, "close");
}
