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
import { FOLD_BUGS } from "./fold-bugs.ts";
import { FOLLOWER_BUGS } from "./follower-bugs.ts";
import { LARGE_VALUE_BUGS } from "./large-value-bugs.ts";
import { NET_EFFECT_BUGS } from "./net-effect-bugs.ts";
import { QUEUE_BUGS } from "./queue-bugs.ts";
import { RECORD_BUGS } from "./record-bugs.ts";
import { RUNTIME_BUGS } from "./runtime-bugs.ts";
import { SDK_BUGS } from "./sdk-bugs.ts";
import { STEP_BUGS } from "./step-bugs.ts";

const BUGS = [
  ...RUNTIME_BUGS,
  ...SDK_BUGS,
  ...FOLLOWER_BUGS,
  ...NET_EFFECT_BUGS,
  ...QUEUE_BUGS,
  ...LARGE_VALUE_BUGS,
  ...RECORD_BUGS,
  ...STEP_BUGS,
  ...FOLD_BUGS,
];
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
  process.stderr.write(`${summary()}\n`);
});

interface Verdict {
  readonly seeds: number;
  readonly violation: string | undefined;
}

/** After how many seeds each was found; Infinity: it was missed. */
const verdicts = new Map<string, number>();

/** One line for each base of seeds: docs/testing-simulation.md has the loop over ten of them. */
function summary(): string {
  const found = [...verdicts].filter(([, seeds]) => seeds < Infinity);
  const [last, most] = found.sort(([, a], [, b]) => b - a)[0] ?? ["", 0];
  return `seeded bugs from ${FROM}: ${found.length} of ${verdicts.size} found; after ${most} seeds: ${last}`;
}

/** What the simulation says of a tree: a process that dies of the bug has found it too. */
async function judge(tree: BuggyTree, signal: AbortSignal): Promise<Verdict> {
  const buggy = buggyTree(base, tree);
  try {
    const seeds = { from: FROM, count: COUNT, twice: 3, signal, behindOthers: true };
    const { tally, failure } = await runSeeds(buggy, seeds, ["--quick"]);
    return { seeds: tally.seeds + 1, violation: failure?.message };
  } catch (error) {
    if (signal.aborted) throw error;
    const message = error instanceof Error ? error.message : String(error);
    // A bug that does not even load has been found by nobody.
    if (/SyntaxError|ReferenceError|ERR_MODULE/.test(message)) throw error;
    return { seeds: 1, violation: message };
  } finally {
    removeFolder(buggy);
  }
}

describe("the simulation finds", () => {
  test.concurrent.for(BUGS.map((it, at) => [it.name, it.breaks, at] as const))(
    "%s (%s)",
    { timeout: TIMEOUT_MS },
    async ([, , at], { signal }) => {
      const tree = trees[at];
      if (tree === undefined) throw new Error("each bug has a tree");
      if (tree.broken !== undefined) throw new Error(tree.broken);
      const { seeds, violation } = await judge(tree, signal);
      process.stderr.write(
        `seed ${seeds}: ${tree.bug.name}: ${violation?.slice(0, 100) ?? "missed"}\n`,
      );
      verdicts.set(tree.bug.name, violation === undefined ? Infinity : seeds);
      expect(violation, `missed in ${seeds} seeds`).toBeDefined();
      expect(violation, "it is a bug, not a slip of the pen").not.toMatch(
        /is not (defined|a function)/,
      );
    },
  );
});
