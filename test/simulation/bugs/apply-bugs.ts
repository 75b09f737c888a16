/**
 * Makes a tree of the compiled simulation for each seeded bug: a copy, with the changed files compiled
 * over it. The product knows nothing of it.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createFolder, TOP, tsc } from "../build.ts";
import type { SeededBug } from "./seeded-bug.ts";

const WHOLE = { recursive: true };

/** Applies the edits of one bug: the changed sources by their paths. */
function changedSources(bug: SeededBug): Map<string, string> {
  const sources = new Map<string, string>();
  for (const { file, find, replace } of bug.edits) {
    const source = sources.get(file) ?? readFileSync(join(TOP, file), "utf8");
    const times = source.split(find).length - 1;
    if (times !== 1) {
      throw new Error(`"${bug.name}" no longer applies: ${file} has ${times} times: ${find}`);
    }
    // A function, so that nothing in the text stands for something else.
    sources.set(
      file,
      source.replace(find, () => replace),
    );
  }
  return sources;
}

export interface BuggyTree {
  readonly bug: SeededBug;
  /** Of the changed files, compiled: to be laid over a copy of the whole. */
  readonly overlay: string;
  /** Why it cannot be applied. */
  readonly broken: string | undefined;
}

/** Compiles the changed files of all bugs in one go. Removed with the folder that is given back. */
export function compileBugs(bugs: readonly SeededBug[]): {
  readonly folder: string;
  readonly trees: readonly BuggyTree[];
} {
  const folder = createFolder("bugs");
  const files: string[] = [];
  const trees = bugs.map((bug, at): BuggyTree => {
    const overlay = join(folder, "out", String(at));
    try {
      for (const [file, text] of changedSources(bug)) {
        const path = join(folder, "in", String(at), file);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
        files.push(path);
      }
      return { bug, overlay, broken: undefined };
    } catch (error) {
      return { bug, overlay, broken: error instanceof Error ? error.message : String(error) };
    }
  });
  const options = ["--ignoreConfig", "--noCheck", "--noResolve", "--skipLibCheck"];
  const modules = [
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--rewriteRelativeImportExtensions",
  ];
  const places = ["--rootDir", join(folder, "in"), "--outDir", join(folder, "out")];
  tsc([...options, ...modules, ...places, ...files]);
  return { folder, trees };
}

/** A whole tree with one bug in it; whoever asked removes it. */
export function buggyTree(base: string, { overlay }: BuggyTree): string {
  const folder = createFolder("bug");
  for (const part of ["protocol", "runtime", "sdk", "test"]) {
    cpSync(join(base, part), join(folder, part), WHOLE);
    if (existsSync(join(overlay, part))) cpSync(join(overlay, part), join(folder, part), WHOLE);
  }
  return folder;
}
