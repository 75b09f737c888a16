/**
 * What a stretch of work cost: CPU and bytes per process, cache flushes at the disk, memory.
 *
 * CPU comes in ticks of 10 ms, so a stretch should last a second at least. Flushes are counted at the
 * block device, for the whole machine: on a busy machine they are an upper bound.
 */
import { readFileSync, realpathSync, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const TICK_US = 10_000;
/** Of /sys/block/DEVICE/stat, counted from 0. */
const FLUSHES_FIELD = 15;

export interface ProcessUse {
  readonly cpuUs: number;
  readonly bytesWritten: number;
}

export interface Memory {
  readonly rssBytes: number;
  readonly anonymousBytes: number;
}

/** `undefined` when the process is gone. */
export function useOf(pid: number): ProcessUse | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const io = readFileSync(`/proc/${pid}/io`, "latin1");
    return {
      cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US,
      bytesWritten: Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? 0),
    };
  } catch {
    return undefined;
  }
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return { rssBytes: kilobytes("VmRSS") * 1024, anonymousBytes: kilobytes("RssAnon") * 1024 };
}

/** Reads the flush counter of the disk under a directory; `undefined` when there is none. */
export function flushCounter(directory: string): (() => number) | undefined {
  const { dev } = statSync(directory);
  const node = `/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  if (!existsSync(node)) return undefined;
  const device = realpathSync(node);
  const disk = existsSync(join(device, "partition")) ? dirname(device) : device;
  const read = (): number => {
    const fields = readFileSync(join(disk, "stat"), "latin1").trim().split(/\s+/);
    return Number(fields[FLUSHES_FIELD] ?? Number.NaN);
  };
  return Number.isNaN(read()) ? undefined : read;
}

export interface Watched {
  readonly dataDir: string;
  readonly runtimePid: number;
  readonly workerPids: readonly number[];
}

export interface Costs {
  readonly runtimeCpuUs: number;
  readonly workerCpuUs: number;
  /** `null`: the machine does not count them. */
  readonly flushes: number | null;
  readonly bytesWritten: number;
  readonly runtimeRssBytes: number;
  readonly workerRssBytes: number;
}

/** Runs something and says what it cost the processes of a system. */
export async function measured<T>(
  { dataDir, runtimePid, workerPids }: Watched,
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly costs: Costs }> {
  const flushes = flushCounter(dataDir);
  const take = (): { runtime: ProcessUse; worker: ProcessUse; flushes: number | null } => ({
    runtime: sum([runtimePid]),
    worker: sum(workerPids),
    flushes: flushes?.() ?? null,
  });
  const before = take();
  const value = await run();
  const after = take();
  const rss = (pids: readonly number[]): number =>
    pids.reduce((total, pid) => total + memoryOf(pid).rssBytes, 0);
  return {
    value,
    costs: {
      runtimeCpuUs: after.runtime.cpuUs - before.runtime.cpuUs,
      workerCpuUs: after.worker.cpuUs - before.worker.cpuUs,
      flushes:
        after.flushes === null || before.flushes === null ? null : after.flushes - before.flushes,
      bytesWritten: after.runtime.bytesWritten - before.runtime.bytesWritten,
      runtimeRssBytes: rss([runtimePid]),
      workerRssBytes: rss(workerPids),
    },
  };
}

function sum(pids: readonly number[]): ProcessUse {
  const uses = pids.map((pid) => useOf(pid) ?? { cpuUs: 0, bytesWritten: 0 });
  return {
    cpuUs: uses.reduce((total, it) => total + it.cpuUs, 0),
    bytesWritten: uses.reduce((total, it) => total + it.bytesWritten, 0),
  };
}
