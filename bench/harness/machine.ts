/** Where and on what a run was made: figures without this say little. */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { tmpdir } from "node:os";
import { flushCounter } from "./costs.ts";
import { ROOT } from "./paths.ts";

export interface Machine {
  readonly startedAt: string;
  readonly commit: string;
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly memoryGb: number;
  /** Of the last minute, before the run. Anything but about 0 says that others were at work. */
  readonly loadBefore: number;
  readonly countsFlushes: boolean;
}

export function describeMachine(): Machine {
  const [cpu] = cpus();
  return {
    startedAt: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    system: `${platform()} ${release()}`,
    cpu: `${cpus().length} x ${cpu?.model ?? "?"}`,
    memoryGb: Math.round(totalmem() / 1e9),
    loadBefore: loadavg()[0] ?? Number.NaN,
    countsFlushes: flushCounter(tmpdir()) !== undefined,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain", "--", "runtime", "sdk", "protocol", "cli") !== "";
    return git("rev-parse", "--short", "HEAD") + (changed ? " with changes" : "");
  } catch {
    return "unknown";
  }
}
