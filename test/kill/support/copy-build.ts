/** A copy of the built package, changed: so that it can be broken without a hook in the product. */
import { cp, copyFile, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newDirectory } from "../../e2e/support/processes.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Exactly one place in one file of the build. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Goes with the test's directories. */
export async function copyBuild(
  changes: readonly Change[],
): Promise<{ readonly dist: string; readonly cli: string }> {
  const path = await newDirectory();
  const dist = join(path, "dist");
  await cp(join(ROOT, "dist"), dist, { recursive: true });
  await copyFile(join(ROOT, "package.json"), join(path, "package.json"));
  await symlink(join(ROOT, "node_modules"), join(path, "node_modules"));
  for (const it of changes) await apply(join(dist, it.file), it);
  return { dist, cli: join(dist, "cli/main.js") };
}

async function apply(path: string, { file, from, to }: Change): Promise<void> {
  const source = await readFile(path, "utf8");
  if (source.split(from).length !== 2) throw new Error(`${file} does not say once: ${from}`);
  await writeFile(
    path,
    source.replace(from, () => to),
  );
}
