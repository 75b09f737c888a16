/** A child process of a test, as plain `node`, so that a SIGKILL hits the process itself. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Child {
  readonly pid: number;
  /** The next line of its standard output; undefined when there is none any more. */
  nextLine(): Promise<string | undefined>;
  /** Resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

const running = new Set<ChildProcess>();

/** @param script a URL relative to the test: `new URL("./processes/it.mjs", import.meta.url)` */
export function startChild(script: URL, ...parameters: string[]): Child {
  const process = spawn(globalThis.process.execPath, [fileURLToPath(script), ...parameters], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(process);
  const lines = createInterface(process.stdout)[Symbol.asyncIterator]();
  return {
    pid: process.pid ?? 0,
    nextLine: async () => {
      const { value, done } = await lines.next();
      return done === true ? undefined : value;
    },
    kill: (signal = "SIGKILL") => end(process, signal),
    signal: (signal) => process.kill(signal),
  };
}

/** Ends every child that is left. For `afterEach`. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...running].map((it) => end(it, "SIGKILL")));
}

async function end(process: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  running.delete(process);
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, "exit");
  process.kill(signal);
  await exit;
}
