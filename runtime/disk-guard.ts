/**
 * Watches the free space of the data directory. Below the limit the state machine accepts nothing new
 * from outside, so that running work can finish and results can be kept before the disk is full.
 *
 * 1. It begins below `freeBytesMin`, and ends above a quarter more: it does not flutter.
 * 2. Each beginning and each end is told to the machine once, and is a warning in the log.
 * 3. Free space that cannot be read changes nothing; the first failure is a warning.
 */
import { statfs } from "node:fs/promises";
import type { Input } from "./core/input.ts";
import type { Log } from "./log.ts";

const CHECK_MS = 1_000;
const ENOUGH_FACTOR = 1.25;

export interface DiskGuardOptions {
  readonly directory: string;
  /** 0: nothing is watched. */
  readonly freeBytesMin: number;
  readonly submit: (input: Input) => void;
  readonly log: Pick<Log, "warn">;
  /** Bytes that the runtime may still write; for tests. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

export interface DiskGuard {
  /** Looks now. The guard looks by itself, every second, from `start` to `stop`. */
  check(): Promise<void>;
  start(): void;
  stop(): void;
}

export function createDiskGuard(options: DiskGuardOptions): DiskGuard {
  const { directory, freeBytesMin, submit, log, freeBytes = freeBytesOf } = options;
  let low = false;
  let unreadable = false;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const look = (bytes: number): void => {
    const isLow = low ? bytes < freeBytesMin * ENOUGH_FACTOR : bytes < freeBytesMin;
    if (isLow === low) return;
    low = isLow;
    submit({ kind: "disk-space", low });
    const facts = { directory, freeBytes: bytes, diskFreeBytesMin: freeBytesMin };
    if (low) {
      log.warn(facts, "the disk is nearly full: nothing new is accepted, running work goes on");
    } else log.warn(facts, "the disk has room again: new work is accepted");
  };
  const check = async (): Promise<void> => {
    if (freeBytesMin === 0) return;
    try {
      const bytes = await freeBytes(directory);
      unreadable = false;
      if (!stopped) look(bytes);
    } catch (error) {
      if (!unreadable)
        log.warn({ directory, error: String(error) }, "free disk space is not known");
      unreadable = true;
    }
  };
  // Not an interval: a disk that is slow to answer is not asked twice.
  const next = (): void => {
    timer = setTimeout(() => void again(), CHECK_MS);
    timer.unref();
  };
  const again = async (): Promise<void> => {
    await check();
    if (!stopped) next();
  };
  return {
    check,
    start: () => {
      if (freeBytesMin > 0) next();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
