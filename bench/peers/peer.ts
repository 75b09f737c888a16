/** A product under measurement, and one running instance of it. */
import type { BenchProcess } from "../harness/process.ts";

export interface Peer {
  readonly name: PeerName;
  /** Version and configuration, for the report. */
  readonly description: string;
  /** Installs what it needs; nothing when that is there. */
  prepare(): Promise<void>;
  start(options: SystemOptions): Promise<System>;
}

export type PeerName = "holdfast" | "restate" | "restate-default";

export interface SystemOptions {
  /** An empty directory. */
  readonly dataDir: string;
  /** Everything stays in memory that waits (of Restate only: its best for many sleepers). */
  readonly allOpen?: boolean;
  /** Runtime and services in one process, which is its own load generator (of Holdfast only). */
  readonly embedded?: boolean;
  /** Default 1. */
  readonly workers?: number;
  /** Services beside those that are called. Default none. */
  readonly moreServices?: number;
  /** Writes a CPU profile of each process that runs Node, at its end. */
  readonly profileDir?: string;
}

export interface System {
  readonly dataDir: string;
  readonly ingressPort: number;
  readonly runtime: BenchProcess;
  readonly workers: readonly BenchProcess[];
  /** SIGKILL. The workers stay. */
  killRuntime(): Promise<void>;
  /** On the same directory and ports. Resolves when it says that it is ready. */
  restartRuntime(): Promise<void>;
  /** How many invocations wait in these statuses, as its admin API says; at most `limit`. */
  countHeld(status: "scheduled" | "suspended", limit: number): Promise<number>;
  stop(): Promise<void>;
}
