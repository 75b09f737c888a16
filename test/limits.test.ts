import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as wire from "../protocol/wire-limits.ts";
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

test("PROTOCOL.md tells other SDKs what no message may be larger than", () => {
  const path = join(import.meta.dirname, "../protocol/PROTOCOL.md");
  const section = readFileSync(path, "utf8")
    .split("\n## ")
    .find((it) => it.startsWith("Limits"));
  const said = (section ?? "").replaceAll(/\s+/g, " ");
  const number = (value: number): string => value.toLocaleString("en");
  expect(said).toContain(`more than ${number(wire.HEADERS_MAX)} headers`);
  expect(said).toContain(`or ${number(wire.METADATA_MAX)} members of a failure's metadata`);
  expect(said).toContain(`more than ${number(wire.TEXT_BYTES_MAX)} bytes together`);
  expect(said).toContain(`more than ${number(wire.NAME_BYTES_MAX)} bytes`);
  expect(said).toContain(`${number(wire.WORKER_FRAME_VALUES_MAX)} values in a worker's frame`);
  expect(said).toContain(`${number(wire.RUNTIME_FRAME_VALUES_MAX)} in a runtime's`);
  expect(said).toContain(`${wire.FIRST_FRAME_BYTES_MAX / 1024} KiB before`);
  expect(said).toContain(`a manifest ${wire.MANIFEST_LENGTH_MAX / 2 ** 20} MiB`);
});
