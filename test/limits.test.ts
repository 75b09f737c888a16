import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../runtime/core/limits.ts";
import { DEFAULT_HTTP_LIMITS } from "../runtime/http/http-limits.ts";

const page = readFileSync(join(import.meta.dirname, "../docs/limits.md"), "utf8");

test.each([
  ["Of the runtime", DEFAULT_LIMITS],
  ["Of the HTTP listeners", DEFAULT_HTTP_LIMITS],
])("docs/limits.md, %s: every limit with its default, and no other", (title, limits) => {
  const section = page.split("\n## ").find((part) => part.startsWith(title)) ?? "";
  const rows = [...section.matchAll(/^\| `(\w+)` +\| (.+?) +\| \S/gm)];
  const documented = Object.fromEntries(rows.map(([, name, value]) => [name, value]));
  const actual = Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [name, format(name, value)]),
  );
  expect(documented).toEqual(actual);
});

function format(name: string, value: number): string {
  if (name.includes("Bytes")) {
    if (value % 2 ** 20 === 0) return `${value / 2 ** 20} MiB`;
    return value % 1024 === 0 ? `${value / 1024} KiB` : `${value} B`;
  }
  if (!/Ms(Max)?$/.test(name)) return String(value);
  return value % 86_400_000 === 0 ? `${value / 86_400_000} d` : `${value / 1000} s`;
}
