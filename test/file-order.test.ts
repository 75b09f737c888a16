import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FIRST, inOrder, LAST } from "./support/file-order.ts";

const TOP = join(import.meta.dirname, "..");
const at = (path: string): { moduleId: string } => ({ moduleId: join(TOP, path) });

test("long files come first, those that only compute last, all others stay as they are", () => {
  const others = ["test/b.test.ts", "test/a.test.ts"];
  const files = [...LAST, ...others.slice(0, 1), ...FIRST.toReversed(), ...others.slice(1)];
  expect(inOrder(files.map(at))).toEqual([...FIRST, ...others, ...LAST].map(at));
});

test.each([...FIRST, ...LAST])("%s is there", (path) => {
  expect(existsSync(join(TOP, path))).toBe(true);
});
