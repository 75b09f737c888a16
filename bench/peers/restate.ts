/**
 * Restate: its server and SDK from npm, installed on first use into a folder of their own.
 *
 * `restate` is the best configuration that was found for a machine of two cores: with few partitions
 * and larger batches, several times its default. `restate-default` is what it does as installed.
 * Both flush to disk before they answer: the number of flushes is in the report.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { BENCH } from "../harness/paths.ts";
import { BenchProcess } from "../harness/process.ts";
import type { Peer, PeerName, System, SystemOptions } from "./peer.ts";

const FOLDER = join(BENCH, "peers/restate");
const PACKAGES = join(FOLDER, "node_modules/@restatedev");
const SERVER = join(PACKAGES, `restate-server-${platform()}-${arch()}/bin/restate-server`);
const READY_WITHIN_MS = 60_000;

interface Ports {
  readonly ingress: number;
  readonly admin: number;
  readonly node: number;
}

export const restate: Peer = peer("restate", "2 partitions, batches of 256, warnings only", [
  "default-num-partitions = 2",
  'log-filter = "warn"',
]);

export const restateDefault: Peer = peer("restate-default", "its defaults", []);

function peer(name: PeerName, description: string, settings: readonly string[]): Peer {
  const tuned = name === "restate";
  return {
    name,
    description: `Restate 1.7.12, SDK 1.17.2, ${description}`,
    prepare,
    start: (options) => start(options, (ports) => configuration(options, ports, settings, tuned)),
  };
}

async function prepare(): Promise<void> {
  if (existsSync(SERVER)) return;
  console.error("installing Restate from npm into bench/peers/restate");
  await promisify(execFile)("npm", ["ci"], { cwd: FOLDER });
}

function configuration(
  { dataDir, allOpen = false }: SystemOptions,
  ports: Ports,
  settings: readonly string[],
  tuned: boolean,
): string {
  return [
    `base-dir = "${dataDir}"`,
    `bind-address = "127.0.0.1:${ports.node}"`,
    "disable-telemetry = true",
    'listen-mode = "tcp"',
    ...settings,
    "[worker]",
    ...(tuned ? ["max-command-batch-size = 256"] : []),
    "[worker.invoker]",
    ...(allOpen ? ["concurrent-invocations-limit = 20000"] : []),
    "[ingress]",
    `bind-address = "127.0.0.1:${ports.ingress}"`,
    "[admin]",
    `bind-address = "127.0.0.1:${ports.admin}"`,
  ].join("\n");
}

async function start(
  { dataDir }: SystemOptions,
  configure: (ports: Ports) => string,
): Promise<System> {
  const [ingress = 0, admin = 0, node = 0] = await freePorts(3);
  const ports: Ports = { ingress, admin, node };
  await mkdir(dataDir, { recursive: true });
  const configFile = join(dataDir, "restate.toml");
  await writeFile(configFile, configure(ports));
  let runtime = await startServer(configFile, ports);
  const worker = new BenchProcess({
    role: "the worker of Restate",
    command: process.execPath,
    args: [join(FOLDER, "worker.mjs")],
  });
  const [, workerPort = ""] = (await worker.line(/^worker ready \d+$/)).split("ready ");
  await register(ports, workerPort, runtime);
  return {
    dataDir,
    ingressPort: ingress,
    get runtime() {
      return runtime;
    },
    workers: [worker],
    killRuntime: () => runtime.end("SIGKILL"),
    restartRuntime: async () => {
      runtime = await startServer(configFile, ports);
    },
    countHeld: (status) => countHeld(ports, status),
    stop: async () => {
      await runtime.end("SIGTERM");
      await worker.end("SIGTERM");
    },
  };
}

async function startServer(configFile: string, ports: Ports): Promise<BenchProcess> {
  const server = new BenchProcess({
    role: "the server of Restate",
    command: SERVER,
    args: ["--no-logo", "--config-file", configFile],
  });
  await untilOk(`http://127.0.0.1:${ports.admin}/health`, server);
  await untilOk(`http://127.0.0.1:${ports.ingress}/restate/health`, server);
  return server;
}

/** It takes a registration only once its partitions are there, and says nothing about that. */
async function register(ports: Ports, workerPort: string, server: BenchProcess): Promise<void> {
  await untilOk(`http://127.0.0.1:${ports.admin}/deployments`, server, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri: `http://127.0.0.1:${workerPort}` }),
  });
  await untilOk(`http://127.0.0.1:${ports.ingress}/counter/warm-up/read`, server, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "null",
  });
}

async function untilOk(url: string, server: BenchProcess, init: RequestInit = {}): Promise<void> {
  const giveUpAt = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const problem = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) }).then(
      async (it) => (it.ok ? undefined : `${it.status} ${await it.text()}`),
      (error: unknown) => String(error),
    );
    if (problem === undefined) return;
    if (server.ended || Date.now() > giveUpAt) {
      throw new Error(`Restate does not answer at ${url}: ${problem}\n${server.log}`);
    }
    await delay(5);
  }
}

async function countHeld(ports: Ports, status: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${ports.admin}/query`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({
      query: `select count(*) as held from sys_invocation where status = '${status}'`,
    }),
  });
  const { rows } = (await response.json()) as { readonly rows: readonly { held: number }[] };
  return rows[0]?.held ?? 0;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((it) => new Promise((resolve) => it.once("listening", resolve))));
  const ports = servers.map((it) => (it.address() as AddressInfo).port);
  await Promise.all(servers.map((it) => new Promise((resolve) => it.close(resolve))));
  return ports;
}
