/** Has the images of a recording checked by a child, and goes on with the next one when that dies. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Package } from "./compile.ts";

export interface Checked {
  images: number;
  acknowledgements: number;
  goes: number;
  /** Images that something was wrong with. */
  broken: number;
  /** Of those, how many ended the process that opened them. */
  fatal: number;
  readonly violations: string[];
}

export interface CheckOptions {
  readonly recording: string;
  readonly images: number;
}

/** Not an assertion about time: an image that recovers and never gets done is broken too. */
const STUCK_MS = 30_000;

export async function checkImages(built: Package, options: CheckOptions): Promise<Checked> {
  const checked: Checked = {
    images: 0,
    acknowledgements: 0,
    goes: 0,
    broken: 0,
    fatal: 0,
    violations: [],
  };
  // Memory, where there is some: the images are written and flushed thousands of times.
  const near = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const scratch = await mkdtemp(join(near, "holdfast-power-"));
  try {
    while (checked.images < options.images) await checkOn(built, options, scratch, checked);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return checked;
}

/** What a child says: see `processes/check-images.ts`. */
interface Line {
  readonly order?: string[];
  readonly acknowledgements?: number;
  readonly goes?: number;
  readonly begun?: number;
  readonly plan?: unknown;
  readonly checked?: number;
  readonly violations?: string[];
}

/** From the first image that is not checked, to the end or to the death of the child. */
async function checkOn(
  built: Package,
  { recording, images }: CheckOptions,
  scratch: string,
  checked: Checked,
): Promise<void> {
  const from = checked.images;
  const parameters = [recording, scratch, `${from}`, `${images}`];
  const child = spawn(process.execPath, [built.script("check-images"), ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = once(child, "exit");
  const said: string[] = [];
  createInterface(child.stderr).on("line", (line) => said.push(line));
  let stuck: NodeJS.Timeout | undefined;
  let plan = "";
  const where = (): string => `image ${checked.images} of ${recording} ${plan}`;
  for await (const text of createInterface(child.stdout)) {
    clearTimeout(stuck);
    stuck = setTimeout(() => child.kill("SIGKILL"), STUCK_MS);
    const line = JSON.parse(text) as Line; // the child's own words
    if (line.order) {
      checked.acknowledgements = line.acknowledgements ?? 0;
      checked.goes = line.goes ?? 0;
      if (from === 0) checked.violations.push(...line.order);
    } else if (line.begun !== undefined) plan = JSON.stringify(line.plan);
    else if (line.violations) {
      if (line.violations.length > 0) checked.broken++;
      checked.violations.push(...line.violations.map((it) => `${where()}: ${it}`));
      checked.images++;
    }
  }
  clearTimeout(stuck);
  const [code, signal] = await exit;
  if (checked.images === images) return;
  const how = signal ?? `code ${code}`;
  if (plan === "") throw new Error(`${recording} cannot be read: ${how}\n${said.join("\n")}`);
  checked.violations.push(`${where()}: its process ended with ${how} ${said.slice(-5).join(" ")}`);
  checked.images++;
  checked.broken++;
  checked.fatal++;
}
