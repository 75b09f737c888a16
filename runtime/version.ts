import { readFileSync } from "node:fs";

/** Of the package; from source and from dist/ it is found at another depth. */
export const PACKAGE_VERSION: string = readVersion();

function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), "utf8");
      const { name, version } = JSON.parse(text) as { name?: string; version?: string }; // our own file
      if (name === "holdfast" && version !== undefined) return version;
    } catch {
      // Not at this depth: the next one.
    }
  }
  return "unknown";
}
