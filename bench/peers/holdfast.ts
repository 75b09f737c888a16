/** Holdfast as users start it: `holdfast start` and workers that dial it, with its defaults. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILED, ROOT } from "../harness/paths.ts";
import { BenchProcess } from "../harness/process.ts";
import type { Peer, System, SystemOptions } from "./peer.ts";

const READY = /holdfast ready ingress=(\S+) admin=(\S+) worker=(\S+) pid=\d+$/;

interface Urls {
  readonly ingress: string;
  readonly admin: string;
  readonly worker: string;
}

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly version: string;
};

export const holdfast: Peer = {
  name: "holdfast",
  description: `Holdfast ${version}, defaults`,
  prepare: () => Promise.resolve(),
  start: async (options) =>
    options.embedded === true ? startEmbedded(options) : startApart(options),
};

async function startApart(options: SystemOptions): Promise<System> {
  const first = await startRuntime(options, { ingress: ":0", admin: ":0", worker: ":0" });
  const { urls } = first;
  let runtime = first.runtime;
  const workers: BenchProcess[] = [];
  for (let count = 0; count < (options.workers ?? 1); count++) {
    workers.push(await startWorker(options, urls));
  }
  return {
    dataDir: options.dataDir,
    ingressPort: portOf(urls.ingress),
    get runtime() {
      return runtime;
    },
    workers,
    killRuntime: () => runtime.end("SIGKILL"),
    restartRuntime: async () => {
      runtime = (await startRuntime(options, urls)).runtime;
    },
    countHeld: (status, limit) => countHeld(urls.admin, status, limit),
    stop: async () => {
      await Promise.all(workers.map((it) => it.end("SIGTERM")));
      await runtime.end("SIGTERM");
    },
  };
}

async function startRuntime(
  { dataDir, profileDir }: SystemOptions,
  at: Urls,
): Promise<{ readonly runtime: BenchProcess; readonly urls: Urls }> {
  const flags = ["--data-dir", dataDir, "--log-level", "warn"];
  const ports = ["--ingress-port", "--admin-port", "--worker-port"];
  const urls = [at.ingress, at.admin, at.worker];
  const runtime = new BenchProcess({
    role: "the runtime of Holdfast",
    command: process.execPath,
    args: [
      ...profileFlags(profileDir, "runtime"),
      join(ROOT, "dist/cli/main.js"),
      "start",
      ...flags,
      ...ports.flatMap((flag, at) => [flag, String(portOf(urls[at] ?? ""))]),
    ],
  });
  const [, ingress = "", admin = "", worker = ""] = READY.exec(await runtime.line(READY)) ?? [];
  return { runtime, urls: { ingress, admin, worker } };
}

async function startWorker(options: SystemOptions, urls: Urls): Promise<BenchProcess> {
  const worker = new BenchProcess({
    role: "a worker of Holdfast",
    command: process.execPath,
    args: [
      ...profileFlags(options.profileDir, "worker"),
      join(COMPILED, "peers/holdfast-worker.js"),
    ],
    env: { HOLDFAST_URL: urls.worker, BENCH_MORE_SERVICES: String(options.moreServices ?? 0) },
  });
  await worker.line(/^holdfast worker ready /);
  return worker;
}

async function startEmbedded({ dataDir, profileDir }: SystemOptions): Promise<System> {
  const runtime = new BenchProcess({
    role: "the embedded runtime of Holdfast",
    command: process.execPath,
    args: [
      ...profileFlags(profileDir, "embedded"),
      join(COMPILED, "peers/holdfast-embedded.js"),
      dataDir,
    ],
  });
  const line = await runtime.line(/^embedded ready http:/);
  const unsupported = (): Promise<never> => Promise.reject(new Error("not of an embedded runtime"));
  return {
    dataDir,
    ingressPort: portOf(line.split(" ")[2] ?? ""),
    runtime,
    workers: [],
    killRuntime: () => runtime.end("SIGKILL"),
    restartRuntime: unsupported,
    countHeld: unsupported,
    stop: () => runtime.end("SIGTERM"),
  };
}

function profileFlags(directory: string | undefined, name: string): string[] {
  if (directory === undefined) return [];
  const file = `holdfast-${name}-${Date.now()}.cpuprofile`;
  return ["--cpu-prof", "--cpu-prof-dir", directory, "--cpu-prof-name", file];
}

function portOf(url: string): number {
  return Number(/:(\d+)\/?$/.exec(url)?.[1]);
}

async function countHeld(adminUrl: string, status: string, limit: number): Promise<number> {
  let count = 0;
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? "" : `&cursor=${cursor}`;
    const response = await fetch(`${adminUrl}/invocations?status=${status}&limit=1000${after}`);
    const page = (await response.json()) as {
      readonly invocations: readonly unknown[];
      readonly nextCursor: string | null;
    };
    count += page.invocations.length;
    cursor = page.nextCursor;
  } while (cursor !== null && count < limit);
  return count;
}
