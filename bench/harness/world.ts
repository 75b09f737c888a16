/** Makes the world of one workload: a fresh system, the load generator, the worker's tally. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLoadAnswer, type LoadRequest, type LoadResult, type LoadSpec } from "../load/load.ts";
import type { Peer, System, SystemOptions } from "../peers/peer.ts";
import { isTallyReport, type TallyReport, type WorkerRequest } from "../worker-control.ts";
import type { Scale, World } from "../workloads/workload.ts";
import { COMPILED } from "./paths.ts";
import { BenchProcess } from "./process.ts";

export interface WorldOptions {
  readonly peer: Peer;
  readonly scale: Scale;
  readonly system: Omit<SystemOptions, "dataDir">;
}

/** Starts all, runs, and leaves nothing behind. */
export async function inWorld<T>(
  { peer, scale, system: options }: WorldOptions,
  run: (world: World) => Promise<T>,
): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const generator = new BenchProcess({
    role: "the load generator",
    command: process.execPath,
    args: [join(COMPILED, "load/generator.js")],
  });
  let system: System | undefined;
  try {
    system = await peer.start({ ...options, dataDir: join(parent, "data") });
    const value = await run(worldOf(peer, scale, system, generator));
    await system.stop();
    return value;
  } catch (error) {
    throw explained(error, system);
  } finally {
    await generator.end("SIGTERM");
    await Promise.all([system?.runtime.end("SIGKILL"), ...endWorkers(system)]);
    await rm(parent, { recursive: true, force: true });
  }
}

function endWorkers(system: System | undefined): Promise<void>[] {
  return (system?.workers ?? []).map((it) => it.end("SIGKILL"));
}

/** With what the processes said last, which is often the reason. */
function explained(error: unknown, system: System | undefined): Error {
  const message = error instanceof Error ? error.message : String(error);
  const said = [system?.runtime, ...(system?.workers ?? [])]
    .map((it) => it?.log.split("\n").slice(-10).join("\n") ?? "")
    .filter((it) => it !== "");
  return new Error([message, ...said].join("\n"), { cause: error });
}

function worldOf(peer: Peer, scale: Scale, system: System, generator: BenchProcess): World {
  const url = `http://127.0.0.1:${system.ingressPort}`;
  const askWorker = (request: WorkerRequest): Promise<TallyReport> => {
    const [worker] = system.workers;
    if (worker === undefined) throw new Error("this system has no worker of its own");
    return worker.ask(request, isTallyReport);
  };
  return {
    peer: peer.name,
    system,
    scale,
    load: (spec) => load(generator, { ...spec, port: system.ingressPort }),
    tally: () => askWorker({ kind: "tell" }),
    tallyReaches: (name, count) => askWorker({ kind: "tell at", name, count }),
    call: (path, body) => call(`${url}${path}`, body),
  };
}

async function load(generator: BenchProcess, spec: LoadSpec): Promise<LoadResult> {
  const request: LoadRequest = { kind: "load", spec };
  const answer = await generator.ask(request, isLoadAnswer);
  if (answer.kind === "loaded") return answer.result;
  throw new Error(answer.reason);
}

async function call(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}
