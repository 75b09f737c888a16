/**
 * A process of the bench: started with a channel to it, watched, and ended by its own id.
 *
 * What it said last is kept, so that a process that ended too early explains itself in the error.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const LOG_LINES_MAX = 200;
const LINE_WITHIN_MS = 60_000;

export interface ProcessSpec {
  /** What it is in messages: "the runtime of holdfast". */
  readonly role: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const alive = new Set<BenchProcess>();

/** Ends whatever still runs. */
export async function endAll(): Promise<void> {
  await Promise.all([...alive].map((it) => it.end("SIGKILL")));
}

export class BenchProcess {
  readonly #role: string;
  readonly #child: ChildProcess;
  readonly #log: string[] = [];
  readonly #watchers = new Set<(line: string) => void>();
  readonly #handlers = new Set<(message: unknown) => void>();

  constructor(spec: ProcessSpec) {
    this.#role = spec.role;
    this.#child = spawn(spec.command, spec.args, {
      env: { ...process.env, ...spec.env },
      cwd: spec.cwd,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    alive.add(this);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (it) => this.#heard(it));
    }
    this.#child.on("message", (message) => this.#handlers.forEach((handle) => handle(message)));
    this.#child.once("close", () => alive.delete(this));
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.#role} did not start`);
    return pid;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The last lines it wrote. */
  get log(): string {
    return this.#log.join("\n");
  }

  /** Resolves with the first line that matches, from now on. Rejects when none comes in a minute. */
  async line(pattern: RegExp): Promise<string> {
    const line = this.#until<string>((resolve) => {
      const watch = (line: string): void => {
        if (pattern.test(line)) resolve(line);
      };
      this.#watchers.add(watch);
      return () => this.#watchers.delete(watch);
    });
    // It cannot say what is awaited any more: its end is the rejection, with what it said instead.
    const timer = setTimeout(() => void this.end("SIGKILL"), LINE_WITHIN_MS);
    return line.finally(() => clearTimeout(timer));
  }

  /** Sends a message; the first answer that `isAnswer` takes is the result. */
  ask<T>(message: object, isAnswer: (message: unknown) => message is T): Promise<T> {
    const answer = this.hears(isAnswer);
    this.#child.send(message);
    return answer;
  }

  /** Resolves with the first message from now on that `isWanted` takes. */
  hears<T>(isWanted: (message: unknown) => message is T): Promise<T> {
    return this.#until((resolve) => {
      const handle = (message: unknown): void => {
        if (isWanted(message)) resolve(message);
      };
      this.#handlers.add(handle);
      return () => this.#handlers.delete(handle);
    });
  }

  /** Resolves when it has ended. One that ignores the signal for 20 s is killed. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.ended) return;
    const closed = once(this.#child, "close");
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    await closed;
    clearTimeout(timer);
  }

  #heard(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES_MAX) this.#log.shift();
    this.#watchers.forEach((watch) => watch(line));
  }

  /** What `subscribe` resolves with, or an error when the process ends before. */
  #until<T>(subscribe: (resolve: (value: T) => void) => () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const onClose = (code: number | null): void => {
        unsubscribe();
        reject(new Error(`${this.#role} ended (${String(code)}) too early:\n${this.log}`));
      };
      const unsubscribe = subscribe((value) => {
        unsubscribe();
        this.#child.off("close", onClose);
        resolve(value);
      });
      this.#child.once("close", onClose);
    });
  }
}
