/**
 * A package of its own for the processes of these tests: the built runtime, and our processes
 * compiled, because Node 20 runs no TypeScript. A copy, so that a test may break it.
 */
import { execFile } from "node:child_process";
import { cp, copyFile, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export interface Package {
  /** `holdfast` as users start it. */
  readonly cli: string;
  /** A file of `test/power/processes`, by its name without ending. */
  script(name: string): string;
}

/**
 * A commit log that is full again and again under the load of these tests: what it frees too early is
 * written over, and large batches go past it.
 */
export const SMALL_LOG: SourceChange = {
  file: "runtime/store/commit-log.js",
  from: "LOG_BYTES = 4 * 1024 * 1024",
  to: "LOG_BYTES = 64 * 1024",
};

/** A change of the built runtime: exactly one place in one file. */
export interface SourceChange {
  /** The command line's runtime, or that of `test/power/processes`, which also checks images. Default "cli". */
  readonly of?: "cli" | "processes";
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export async function makePackage(...changes: readonly SourceChange[]): Promise<Package> {
  const path = await temporaryDirectory();
  await cp(join(ROOT, "dist"), join(path, "dist"), { recursive: true });
  await copyFile(join(ROOT, "package.json"), join(path, "package.json"));
  await symlink(join(ROOT, "node_modules"), join(path, "node_modules"));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const project = join(ROOT, "test/power/processes");
  const outDir = join(path, "compiled");
  await promisify(execFile)(process.execPath, [tsc, "-p", project, "--outDir", outDir]);
  for (const change of changes) {
    await applyChange(
      join(change.of === "processes" ? outDir : join(path, "dist"), change.file),
      change,
    );
  }
  return {
    cli: join(path, "dist/cli/main.js"),
    script: (name) => join(outDir, "test/power/processes", `${name}.js`),
  };
}

async function applyChange(file: string, { from, to }: SourceChange): Promise<void> {
  const text = await readFile(file, "utf8");
  if (text.split(from).length !== 2) throw new Error(`${file} does not say "${from}" once`);
  await writeFile(file, text.replace(from, to));
}
