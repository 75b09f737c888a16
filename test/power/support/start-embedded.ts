/** A whole runtime in one process, under whatever a test puts in front of `node`. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Limits } from "../../../runtime/core/limits.ts";
import type { Package } from "./compile.ts";

export interface Embedded {
  readonly child: ChildProcess;
  /** undefined: it ended instead of serving. */
  readonly ingressUrl: string | undefined;
  readonly adminUrl: string;
  /** What it wrote to stderr so far. */
  readonly said: readonly string[];
  /** How it ended: a signal or "code 0". */
  readonly ended: Promise<string>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** In front of `node`: a program with its parameters that runs what follows. */
  readonly under?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves when it serves, or has ended. */
export async function startEmbedded(built: Package, options: EmbeddedOptions): Promise<Embedded> {
  const { dataDir, under = [], nodeFlags = [], limits = {}, env = {} } = options;
  const itsParameters = [dataDir, JSON.stringify(limits)];
  const node = [process.execPath, ...nodeFlags, built.script("embedded"), ...itsParameters];
  const [program = "", ...parameters] = [...under, ...node];
  const child = spawn(program, parameters, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  createInterface(child.stderr).on("line", (line) => said.push(line));
  const ended = once(child, "exit").then(([code, signal]) => String(signal ?? `code ${code}`));
  const line = once(createInterface(child.stdout), "line") as Promise<[string]>; // readline's own event
  const ready = await Promise.race([line.then(([text]) => text), ended.then(() => "")]);
  const [, ingressUrl, adminUrl = ""] = /^ready (\S+) (\S+)$/.exec(ready) ?? [];
  return { child, ingressUrl, adminUrl, said, ended };
}
