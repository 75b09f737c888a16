/**
 * The reference script with one I/O call that fails: a whole runtime, one client, ten calls (or
 * HOLDFAST_POWER_CALLS), each of which needs two commits. strace makes the n-th system call of a kind
 * fail as if the disk had.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Package } from "./compile.ts";
import type { Told } from "./check-image.ts";
import { Client, isConnectionError } from "./http.ts";
import type { Observed } from "./load.ts";
import { startEmbedded } from "./start-embedded.ts";
import { descriptorOf, parseTrace } from "./trace.ts";

/** "pwritev" appends to the commit log; the others are LMDB's. */
export type Syscall = "pwritev" | "fdatasync" | "pwrite64" | "writev";

export interface Fault {
  readonly syscall: Syscall;
  readonly error: "EIO" | "ENOSPC";
  /** Which call, counted from 1. strace counts per thread, and LMDB has one of its own. */
  readonly nth: number;
}

export interface FaultRun {
  /** Calls on the files of the partition. */
  readonly calls: number;
  /** The fault met one of these. Others meet an answer on its way to the client. */
  readonly hit: boolean;
  /** How the runtime ended: "code 0" when it closed in good order, "SIGQUIT" when it was stuck. */
  readonly end: string;
  readonly told: readonly Told[];
  readonly observed: readonly Observed[];
  /** Answers that were neither 200 nor 202. */
  readonly refused: readonly string[];
}

const FILES = /\/(data\.mdb|commit-log\.\d+)$/;
export const CALLS = Number(process.env["HOLDFAST_POWER_CALLS"] ?? 10);
/** Not an assertion about time: a runtime that neither closes nor ends is broken. */
const STUCK_MS = 30_000;

/** Runs the script in `path`; the data directory is `path`/data and stays. */
export async function runWithFault(
  built: Package,
  path: string,
  fault: Fault | undefined,
): Promise<FaultRun> {
  const {
    child: runtime,
    ingressUrl = "",
    ended,
  } = await startEmbedded(built, {
    dataDir: join(path, "data"),
    // One thread, so that the n-th call of the pool is the n-th call on the file.
    env: { UV_THREADPOOL_SIZE: "1" },
  });
  const trace = join(path, "trace");
  const strace = await attach(runtime, trace, fault);
  const script = await runScript(
    ingressUrl,
    () => runtime.exitCode === null && runtime.signalCode === null,
  );
  const end = await closed(runtime, ended);
  if (strace.exitCode === null) {
    strace.kill("SIGTERM");
    await once(strace, "exit");
  }
  const { calls } = parseTrace(await readFile(trace, "latin1"), 0);
  const onData = calls.filter((it) => FILES.test(descriptorOf(it).path));
  const its = onData.filter((it) => it.name === fault?.syscall);
  return {
    ...script,
    end,
    calls: fault ? its.length : onData.length,
    hit: its.some((it) => it.injected),
  };
}

/** Resolves when strace has every thread in its hands. */
async function attach(
  runtime: ChildProcess,
  trace: string,
  fault: Fault | undefined,
): Promise<ChildProcess> {
  const inject = fault
    ? ["-e", `inject=${fault.syscall}:error=${fault.error}:when=${fault.nth}`]
    : [];
  const flags = ["-f", "-y", "-x", "-s", "32", "-e", "signal=none"];
  const calls = ["-e", "trace=fdatasync,pwrite64,writev,pwritev", ...inject];
  const strace = spawn("strace", [...flags, ...calls, "-o", trace, "-p", `${runtime.pid}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [line] = (await once(createInterface(strace.stderr), "line")) as [string]; // readline's own event
  if (!line.includes("attached")) throw new Error(line);
  return strace;
}

type ScriptRun = Pick<FaultRun, "told" | "observed" | "refused">;

async function runScript(ingressUrl: string, alive: () => boolean): Promise<ScriptRun> {
  const told: Told[] = [];
  const observed: Observed[] = [];
  const refused: string[] = [];
  let client = new Client(ingressUrl);
  for (let i = 0; i < CALLS && alive(); i++) {
    const key = i % 2 === 0 ? "a" : "b";
    const asked = {
      path: `/list/${key}/append`,
      asked: JSON.stringify(`entry ${i}`),
      idempotencyKey: i % 4 === 0 ? `key of entry ${i}` : "",
    };
    try {
      const answer = await client.post(asked);
      if (answer.status === 200) told.push({ line: told.length, ...answer });
      else refused.push(`${answer.status} ${answer.body}`);
      if (answer.status === 200 && asked.idempotencyKey) observed.push({ ...asked, ...answer });
    } catch (error) {
      if (!isConnectionError(error)) throw error;
      client.close();
      client = new Client(ingressUrl);
    }
  }
  client.close();
  return { told, observed, refused };
}

/** Asks it to close: what it still has to commit is committed, or ends it. */
async function closed(runtime: ChildProcess, ended: Promise<string>): Promise<string> {
  runtime.kill("SIGTERM");
  const stuck = setTimeout(() => runtime.kill("SIGQUIT"), STUCK_MS);
  const end = await ended;
  clearTimeout(stuck);
  return end;
}
