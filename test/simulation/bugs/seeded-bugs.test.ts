/**
 * A suite that finds nothing has to show that it could have: each of these bugs, put into a copy of the
 * sources, must be found by the general simulation, which knows none of them.
 *
 * The seeds are fresh: not those of the simulation's own run, and with `SEEDED_BUGS_FROM` any others.
 * `SEEDED_BUGS_COUNT=n` sets after how many of them a bug counts as missed.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSimulation, removeFolder } from "../build.ts";
import { runSeeds } from "../run-process.ts";
import { type BuggyTree, buggyTree, compileBugs } from "./apply-bugs.ts";
import { RUNTIME_BUGS } from "./runtime-bugs.ts";
import { SDK_BUGS } from "./sdk-bugs.ts";

const BUGS = [...RUNTIME_BUGS, ...SDK_BUGS];
const FROM = Number(process.env["SEEDED_BUGS_FROM"] ?? 5_000_000);
/** A fraction of the 10,000 that each commit runs. */
const COUNT = Number(process.env["SEEDED_BUGS_COUNT"] ?? 1_000);
const TIMEOUT_MS = 600_000;

let base = "";
let folder = "";
let trees: readonly BuggyTree[] = [];

beforeAll(() => {
  base = buildSimulation();
  ({ folder, trees } = compileBugs(BUGS));
});
afterAll(() => {
  removeFolder(base);
  removeFolder(folder);
});

interface Verdict {
  readonly seeds: number;
  readonly found: string | undefined;
}

/** What the simulation says of a tree: a process that dies of the bug has found it too. */
async function judge(tree: BuggyTree): Promise<Verdict> {
  const buggy = buggyTree(base, tree);
  try {
    const seeds = { from: FROM, count: COUNT, twice: 3 };
    const { tally, failure } = await runSeeds(buggy, seeds, ["--quick"]);
    return { seeds: tally.seeds + 1, found: failure?.message };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // A bug that does not even load has been found by nobody.
    if (/SyntaxError|ReferenceError|ERR_MODULE/.test(message)) throw error;
    return { seeds: 1, found: message };
  } finally {
    removeFolder(buggy);
  }
}

describe("the simulation finds", () => {
  test.concurrent.each(BUGS.map((it, at) => [it.name, it.breaks, at] as const))(
    "%s (%s)",
    async (_name, _breaks, at) => {
      const tree = trees[at];
      if (tree === undefined) throw new Error("each bug has a tree");
      if (tree.broken !== undefined) throw new Error(tree.broken);
      const { seeds, found } = await judge(tree);
      process.stderr.write(
        `seed ${seeds}: ${tree.bug.name}: ${found?.slice(0, 100) ?? "missed"}\n`,
      );
      expect(found, `missed in ${seeds} seeds`).toBeDefined();
      expect(found, "it is a bug, not a slip of the pen").not.toMatch(
        /is not (defined|a function)/,
      );
    },
    TIMEOUT_MS,
  );
});
