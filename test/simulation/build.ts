/**
 * Compiles the simulation into a temporary folder, so that plain Node runs it at full speed and a
 * mutation can be applied to a copy of the sources.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const TOP: string = resolve(import.meta.dirname, "../..");
const TSC = join(TOP, "node_modules/typescript/bin/tsc");

export function tsc(args: readonly string[]): void {
  try {
    execFileSync(process.execPath, [TSC, ...args], { cwd: TOP, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const said = (error as { readonly stdout?: string }).stdout ?? ""; // execFileSync says so
    throw new Error(`the simulation does not compile: ${said}`, { cause: error });
  }
}

/** What is imported by name is found from any folder in here. */
export function createFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  symlinkSync(join(TOP, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}\n');
  return folder;
}

/** Gives the folder with the compiled tree; whoever asked removes it. */
export function buildSimulation(): string {
  const folder = createFolder("simulation");
  tsc(["-p", join(TOP, "tsconfig.simulation.json"), "--outDir", folder]);
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
