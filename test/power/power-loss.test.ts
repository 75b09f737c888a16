/**
 * Power loss at any moment of the real runtime's life. Its system calls are recorded under load, and
 * disks are rebuilt that hold what had been flushed by some moment, and of the rest a piece here and
 * there. Each is recovered by the real code and served until all is done.
 *
 * HOLDFAST_POWER_RECORDINGS, HOLDFAST_POWER_IMAGES (of each) and HOLDFAST_POWER_SEED make another
 * run. A recording that shows a violation is kept, and HOLDFAST_POWER_REPLAY=<its directory> checks
 * the same images of it again.
 *
 * Found so far: a power loss during the very first start left a data.mdb of which LMDB dies (see
 * test/store/data-directory.test.ts).
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeTemporaryDirectories } from "../support/temporary-directory.ts";
import { checkImages } from "./support/check.ts";
import { makePackage, SMALL_LOG, type SourceChange } from "./support/compile.ts";
import { runCampaign, type Campaign } from "./support/campaign.ts";
import { straceMissing } from "./support/strace.ts";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const RECORDINGS = setting("HOLDFAST_POWER_RECORDINGS", 20);
const IMAGES = setting("HOLDFAST_POWER_IMAGES", 101);
const SEED = setting("HOLDFAST_POWER_SEED", Date.now() % 1_000_000);
const REPLAY = process.env["HOLDFAST_POWER_REPLAY"];
const KEPT = join(tmpdir(), "holdfast-power-loss");
const LIMIT_MS = 300_000 + RECORDINGS * (10_000 + IMAGES * 1_000);

const missing = straceMissing();

afterEach(removeTemporaryDirectories);

beforeEach((context) => {
  // In CI strace has to be there: a suite that is always skipped proves nothing.
  if (missing !== undefined && process.env["CI"] === "true") throw new Error(missing);
  // Elsewhere they cannot run without it: `missing` says why.
  context.skip(missing !== undefined, missing);
});

test(
  "after a power loss at any moment nothing acknowledged is lost, and the rest is a whole prefix",
  async () => {
    const built = await makePackage(SMALL_LOG);
    const result = await runCampaign(built, {
      recordings: RECORDINGS,
      images: IMAGES,
      seed: SEED,
      keepIn: KEPT,
    });
    report("power loss", result);
    expect(result.violations.slice(0, 10)).toEqual([]);
    expect(result.images).toBe(RECORDINGS * IMAGES);
  },
  LIMIT_MS,
);

/** While a group is on its way to the rows, many batches go to the log. */
const SLOW_ROWS = ["-e", "inject=fdatasync:delay_enter=100000"];

test(
  "while the rows are slow nothing of the log is written over that they do not have",
  async () => {
    const built = await makePackage(SMALL_LOG);
    const options = { recordings: 2, images: 30, seed: SEED, straceFlags: SLOW_ROWS };
    const result = await runCampaign(built, options);
    report("slow rows", result);
    expect(result.violations.slice(0, 10)).toEqual([]);
    expect(result.images).toBe(2 * 30);
  },
  LIMIT_MS,
);

const MANY = { least: 60, most: 80 };
/** Else the append of another client's batch is mostly there by the time of an answer, and excuses it. */
const SLOW_LOG = ["-e", "inject=pwritev:delay_enter=20000"];

/** What proves that the images would show it. */
const BROKEN_RUNTIMES: readonly (readonly [
  what: string,
  images: number,
  change: SourceChange,
  shows: readonly string[],
  straceFlags: readonly string[],
])[] = [
  [
    "whose rows are not flushed",
    40,
    { file: "runtime/store/lmdb.js", from: "overlappingSync: false,", to: "noSync: true," },
    // LMDB dies of most of the images, each in its own way.
    [],
    [],
  ],
  [
    "whose commit log is not flushed",
    16,
    { file: "runtime/store/commit-log.js", from: "constants.O_DSYNC : 0", to: "0 : 0" },
    ["I1: ", "is answered before a commit is durable"],
    [],
  ],
  [
    "that writes over its commit log before the rows have what is in it",
    16,
    {
      file: "runtime/store/commit-log.js",
      from: "const full = this.#usedBytes > 0 && this.#head === this.#tail;",
      to: "this.#tail = this.#head; this.#usedBytes = 0; const full = false;",
    },
    ["cannot be read from the commit log"],
    SLOW_ROWS,
  ],
  [
    "that does not wait for the batch of an answer",
    40,
    {
      file: "runtime/loop.js",
      from: "batch > this.#watermark)",
      to: "batch > Infinity)",
    },
    ["I1: ", "is answered before a commit is durable", "rule 2: "],
    SLOW_LOG,
  ],
  [
    "that does not flush the directories",
    40,
    { file: "runtime/store/directory.js", from: "syncDirectories(directory, path);", to: "" },
    ["I1: ", "rule 2: "],
    [],
  ],
];

test.each(BROKEN_RUNTIMES)(
  "a runtime %s is found out",
  async (what, images, change, shows, straceFlags) => {
    const built = await makePackage(SMALL_LOG, change);
    // One that is killed after ten answers may have had no chance to show it.
    const options = { recordings: 1, images, seed: SEED, straceFlags, answers: MANY };
    const result = await runCampaign(built, options);
    report(`a runtime ${what}`, result);
    expect(result.broken).toBeGreaterThan(0);
    for (const kind of shows) {
      expect(result.violations.filter((it) => it.includes(kind))).not.toEqual([]);
    }
  },
  LIMIT_MS,
);

test.each(REPLAY === undefined ? [] : [REPLAY])(
  "the kept recording %s shows no violation",
  async (recording) => {
    const result = await checkImages(await makePackage(), { recording, images: IMAGES });
    expect(result.violations).toEqual([]);
  },
  LIMIT_MS,
);

function report(what: string, it: Campaign): void {
  process.stdout.write(
    `${what}, seed ${SEED}: ${it.recordings} recordings with ${it.acknowledgements} acknowledgements and ${it.goes} goes, ${it.images} images, ${it.broken} broken (${it.fatal} ended their process), ${it.violations.length} violations\n`,
  );
}
