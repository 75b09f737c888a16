import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { describe, expect, test } from "vitest";
import * as tidy from "./support/tidy.ts";
import type { Rule, SourceFile } from "./support/tidy.ts";

const top = join(import.meta.dirname, "..");
const SKIPPED = new Set(["node_modules", "dist", "coverage"]);

const all = readFiles(top);
const code = all.filter((file) => file.path.endsWith(".ts"));
const core = code.filter((file) => file.path.startsWith("runtime/core/"));
const documents = all.filter((file) => file.path.endsWith(".md"));
const decisions = documents.filter((file) => file.path.startsWith("docs/decisions/"));

/** Every check says how many files it must have seen: a check of nothing is green for ever. */
const CHECKS: { claim: string; rule: Rule; files: SourceFile[]; atLeast: number }[] = [
  { claim: "imports stay within the borders", rule: tidy.borders, files: code, atLeast: 80 },
  {
    claim: "lmdb and ws have one door each",
    rule: tidy.oneDoor,
    files: code,
    atLeast: 80,
  },
  { claim: "the core is pure", rule: tidy.purity, files: core, atLeast: 20 },
  { claim: "no value imports run in a circle", rule: tidy.cycles, files: code, atLeast: 80 },
  { claim: "no file is too long", rule: tidy.fileLength, files: code, atLeast: 80 },
  { claim: "no function is too long", rule: tidy.functionLength, files: code, atLeast: 80 },
  { claim: "nothing is left over", rule: tidy.leftovers, files: all, atLeast: 80 },
  { claim: "the project speaks of itself alone", rule: tidy.forbidden, files: all, atLeast: 80 },
  { claim: "a document has one title", rule: tidy.oneTitle, files: documents, atLeast: 8 },
  {
    claim: "decisions are numbered",
    rule: tidy.numberedDecisions,
    files: decisions,
    atLeast: 5,
  },
];

describe("the project", () => {
  test.each(CHECKS)("$claim", ({ rule, files, atLeast }) => {
    expect(rule(files)).toEqual([]);
    expect(files.length).toBeGreaterThanOrEqual(atLeast);
  });
});

describe("the rules find what is planted", () => {
  const file = (path: string, text: string): SourceFile => ({ path, text });
  const long = (lines: number): string => "  x();\n".repeat(lines);

  test.each([
    ["protocol/ids.ts", 'import { join } from "node:path";'],
    ["protocol/ids.ts", 'import { pack } from "msgpackr";'],
    ["runtime/core/apply.ts", 'import type { Store } from "../store/store.ts";'],
    ["runtime/core/apply.ts", 'import BTree from "sorted-btree";'],
    ["runtime/loop.ts", 'import { serve } from "../sdk/index.ts";'],
    ["runtime/loop.ts", 'import {\n  a,\n  b,\n} from "../sdk/index.ts";'],
    ["runtime/loop.ts", 'import { open } from "lmdb";'],
    ["sdk/serve.ts", 'export { startRuntime } from "../runtime/index.ts";'],
    ["cli/main.ts", 'const { loop } = await import("../runtime/loop.ts");'],
    ["examples/01-counter/counter.ts", 'import { object } from "../../sdk/index.ts";'],
  ])("borders: %s: %s", (path, text) => {
    expect(tidy.borders([file(path, text)])).toHaveLength(1);
  });

  test("borders: what the table allows passes, and comments do not count", () => {
    const allowed = [
      file("protocol/codec.ts", 'import { packValue } from "./pack.ts";'),
      file("runtime/embedded.ts", 'import { serve } from "../sdk/index.ts";'),
      file("runtime/core/apply.ts", '// import { x } from "node:fs";\nimport "./step.ts";'),
    ];
    expect(tidy.borders(allowed)).toEqual([]);
  });

  test("one door: no file, or a second one", () => {
    const doors = ["runtime/a.ts", "runtime/b.ts"].map((path) => file(path, 'import "ws";'));
    expect(tidy.oneDoor(doors)).toEqual([
      expect.stringMatching(/lmdb.*none/),
      expect.stringMatching(/ws.*runtime\/a\.ts, runtime\/b\.ts/),
      expect.stringMatching(/ws.*none/),
    ]);
  });

  test.each([
    "const now = Date.now();",
    "const x = Math.random();",
    "setTimeout(f, 1);",
    "export async function f() {}",
    "const x = Promise.resolve();",
    "console.log(1);",
    'import { join } from "node:path";',
    "const text = `at ${Date.now()}`;",
  ])("purity: %s", (text) => {
    expect(tidy.purity([file("runtime/core/x.ts", text)])).toHaveLength(1);
  });

  test("purity: comments and strings may speak of time", () => {
    const text = '// No Date here.\n/* await */ const facts = "the Date of a Promise";';
    expect(tidy.purity([file("runtime/core/x.ts", text)])).toEqual([]);
  });

  test("cycles: of values, not of types", () => {
    const b = file("sdk/b.ts", 'import { a } from "./a.ts";');
    expect(tidy.cycles([file("sdk/a.ts", 'import { b } from "./b.ts";'), b])).toHaveLength(1);
    expect(tidy.cycles([file("sdk/a.ts", 'import type { b } from "./b.ts";'), b])).toEqual([]);
  });

  test("length: of files and of functions", () => {
    expect(tidy.fileLength([file("sdk/a.ts", long(501))])).toHaveLength(1);
    expect(tidy.fileLength([file("sdk/a.ts", long(500))])).toEqual([]);
    const functions = ["function f(): void {", "const f = () => {", "  async f(): Promise<void> {"];
    for (const head of functions) {
      const close = head.startsWith("  ") ? "  }\n" : "}\n";
      expect(tidy.functionLength([file("a.ts", `${head}\n${long(69)}${close}`)])).toHaveLength(1);
      expect(tidy.functionLength([file("a.ts", `${head}\n${long(68)}${close}`)])).toEqual([]);
    }
  });

  test("leftovers, forbidden words, titles, numbers of decisions", () => {
    for (const text of ["// FIX" + "ME later", "// TO" + "DO", "test.on" + "ly('x')"]) {
      expect(tidy.leftovers([file("a.ts", text)])).toHaveLength(1);
    }
    expect(tidy.forbidden([file("a.ts", 'const dir = "/ho' + 'me/me/x";')])).toHaveLength(1);
    expect(tidy.oneTitle([file("a.md", "# A\n# B\n")])).toHaveLength(1);
    expect(tidy.oneTitle([file("a.md", "# A\n```sh\n# a comment\n```\n")])).toEqual([]);
    const names = ["0001-one.md", "0003-three.md"].map((n) => file(`docs/decisions/${n}`, ""));
    expect(tidy.numberedDecisions(names)).toHaveLength(1);
  });
});

function readFiles(folder: string): SourceFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name) || (entry.isDirectory() && entry.name.startsWith("."))) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return readFiles(path);
    if (!/\.(ts|js|mjs|json|md|sh)$/.test(entry.name) || entry.name === "package-lock.json") {
      return [];
    }
    const text = readFileSync(path, "utf8");
    return [{ path: relative(top, path).split(sep).join("/"), text }];
  });
}
