/** The demo's processes: plain `node`, so that a SIGKILL hits the process itself; all ended at the end. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const alive = new Set<ChildProcess>();

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The line that said that it is ready. */
  readonly line: string;
  readonly ended: Promise<void>;
}

/** Starts `node ...args` and waits for the line that says it is ready. */
export async function start(
  args: readonly string[],
  ready: RegExp,
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  alive.add(child);
  const ended = once(child, "close").then(() => void alive.delete(child));
  const said: string[] = [];
  const line = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (text) => {
        said.push(text);
        if (ready.test(text)) resolve(text);
      });
    }
    child.once("close", () => reject(new Error(`${args[0]} ended:\n${said.join("\n")}`)));
  });
  return { child, pid: child.pid ?? 0, line, ended };
}

export function killAll(): void {
  for (const child of alive) child.kill("SIGKILL");
}
