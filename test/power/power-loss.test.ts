/**
 * Power loss at any moment of the real runtime's life. Its system calls are recorded under load, and
 * disks are rebuilt that hold what had been flushed by some moment, and of the rest a piece here and
 * there. Each is recovered by the real code and served until all is done.
 *
 * HOLDFAST_POWER_RECORDINGS, HOLDFAST_POWER_IMAGES (of each), HOLDFAST_POWER_SEED make a longer run.
 */
import { afterEach, expect, test, type TestContext } from "vitest";
import { removeTemporaryDirectories } from "../support/temporary-directory.ts";
import { makePackage } from "./support/compile.ts";
import { runCampaign, type Campaign } from "./support/campaign.ts";
import { straceMissing } from "./support/strace.ts";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const RECORDINGS = setting("HOLDFAST_POWER_RECORDINGS", 20);
const IMAGES = setting("HOLDFAST_POWER_IMAGES", 101);
const SEED = setting("HOLDFAST_POWER_SEED", Date.now() % 1_000_000);
const LIMIT_MS = 300_000 + RECORDINGS * (10_000 + IMAGES * 1_000);

const missing = straceMissing();

afterEach(removeTemporaryDirectories);

/** In CI strace has to be there: a suite that is always skipped proves nothing. */
function needStrace(context: TestContext): void {
  if (missing !== undefined && process.env["CI"] === "true") throw new Error(missing);
  context.skip(missing !== undefined, missing);
}

test(
  "after a power loss at any moment nothing acknowledged is lost, and the rest is a whole prefix",
  async (context) => {
    needStrace(context);
    const built = await makePackage();
    const result = await runCampaign(built, { recordings: RECORDINGS, images: IMAGES, seed: SEED });
    report("power loss", result);
    expect(result.violations).toEqual([]);
    expect(result.images).toBe(RECORDINGS * IMAGES);
  },
  LIMIT_MS,
);

test(
  "a runtime whose store does not flush is found out",
  async (context) => {
    needStrace(context);
    const built = await makePackage({
      file: "runtime/store/lmdb.js",
      from: "overlappingSync: false,",
      to: "noSync: true,",
    });
    const result = await runCampaign(built, { recordings: 1, images: 40, seed: SEED });
    report("noSync", result);
    expect(result.broken).toBeGreaterThan(0);
    expect(result.violations.some((it) => it.includes("I1: "))).toBe(true);
    expect(
      result.violations.some((it) => it.includes("is answered before a commit is durable")),
    ).toBe(true);
  },
  LIMIT_MS,
);

function report(what: string, it: Campaign): void {
  process.stdout.write(
    `${what}, seed ${SEED}: ${it.recordings} recordings with ${it.acknowledgements} acknowledgements, ${it.images} images, ${it.broken} broken (${it.fatal} ended their process), ${it.violations.length} violations\n`,
  );
}
