/** A first start with one failing system call. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Package } from "./compile.ts";
import { parseTrace } from "./trace.ts";

export const START_SYSCALLS = [
  "mkdir",
  "rename",
  "fsync",
  "fdatasync",
  "pwrite64",
  "writev",
  "ftruncate",
] as const;

export interface StartFault {
  readonly syscall: (typeof START_SYSCALLS)[number];
  readonly error: "EIO" | "ENOSPC";
  readonly nth: number;
}

export interface StartRun {
  /** There was an n-th call. */
  readonly hit: boolean;
  /** It said that it serves. */
  readonly ready: boolean;
  /** How it ended by itself, if it did; what it said then. */
  readonly end: string;
  readonly said: string;
}

/** Starts on a new data directory, `path`/data, which stays. */
export async function startWithFault(
  built: Package,
  path: string,
  { syscall, error, nth }: StartFault,
): Promise<StartRun> {
  const trace = join(path, "trace");
  const inject = ["-e", `trace=${syscall}`, "-e", `inject=${syscall}:error=${error}:when=${nth}`];
  const flags = ["-f", "--seccomp-bpf", "-qq", "-s", "32", "-e", "signal=none", ...inject];
  const ports = ["--ingress-port", "0", "--admin-port", "0", "--worker-port", "0"];
  const start = [built.cli, "start", "--data-dir", join(path, "data"), ...ports];
  const strace = spawn("strace", [...flags, "-o", trace, process.execPath, ...start], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  createInterface(strace.stderr).on("line", (line) => said.push(line));
  const exit = once(strace, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const line = once(createInterface(strace.stdout), "line") as Promise<[string]>; // readline's own event
  const ready = await Promise.race([line.then(([text]) => text), exit.then(() => "")]);
  const pid = Number(/ pid=(\d+)$/.exec(ready)?.[1] ?? 0);
  if (pid > 0) process.kill(pid, "SIGKILL");
  const [code, signal] = await exit;
  const { calls } = parseTrace(await readFile(trace, "latin1"), 0);
  return {
    hit: calls.some((it) => it.injected),
    ready: pid > 0,
    end: signal ?? `code ${code}`,
    said: said.join("\n"),
  };
}
