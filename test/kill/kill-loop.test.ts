/**
 * Real processes, killed for real, again and again on the same data directories: the runtime, one of
 * its two workers, both, the runtime once more while it recovers, a worker stopped past its lease and
 * then let go on. After each round everything that was ever answered is compared with what is there.
 *
 * HOLDFAST_KILL_SEED and HOLDFAST_KILL_COUNT make another run; a failure names its seed. The schedule
 * and what is asked repeat with the seed; which instruction a SIGKILL hits does not.
 */
import { afterEach, expect, test } from "vitest";
import { stopAll } from "../e2e/support/processes.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { copyBuild, type Change } from "./support/copy-build.ts";
import { emptyTally, runLane } from "./support/kill-loop.ts";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const SEED = setting("HOLDFAST_KILL_SEED", Date.now() % 1_000_000);
/** With those of the failpoints and of test/e2e it is more than 200 for each `npm test`. */
const COUNT = setting("HOLDFAST_KILL_COUNT", 160);
/** While one waits for its workers to dial again, the other runs. */
const LANES = setting("HOLDFAST_KILL_LANES", 3);
const LIMIT_MS = 120_000 + COUNT * 5_000;

afterEach(stopAll);
afterEach(removeTemporaryDirectories);

test(
  "whatever is killed, whenever: nothing acknowledged is lost, nothing takes effect twice",
  async () => {
    const tally = emptyTally();
    const enough = (): boolean => tally.kills + LANES >= COUNT;
    const startedMs = performance.now();
    const lanes = Array.from({ length: LANES }, (_, i) => `lane${i}`);
    await Promise.all(lanes.map((name, i) => runLane({ name, seed: SEED + i, tally, enough })));
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    process.stdout.write(`kill loop, seed ${SEED}: ${JSON.stringify(tally)} in ${seconds} s\n`);
    expect(tally.kills).toBeGreaterThanOrEqual(COUNT);
    expect(COUNT < 50 || tally.zombies > 0).toBe(true);
  },
  LIMIT_MS,
);

/** A loop that finds nothing has to show that it could. */
const BROKEN: readonly (readonly [what: string, change: Change])[] = [
  [
    "lets answers and gos leave before their batch is durable",
    {
      file: "runtime/loop.js",
      from: "if (batch > this.#watermark)",
      to: "if (batch > Infinity)",
    },
  ],
  [
    "forgets idempotency keys",
    {
      file: "runtime/core/admit.js",
      from: "step.tx.put(idempotencyKey(target, invocation.idempotencyKey), encodeNumber(sequence));",
      to: "",
    },
  ],
];

test.each(BROKEN)(
  "a runtime that %s is found out",
  async (_what, change) => {
    const { cli } = await copyBuild([change]);
    const tally = emptyTally();
    const enough = (): boolean => tally.kills >= 40;
    const broken = { cli, dataDir: await temporaryDirectory() };
    const lane = runLane({ name: "broken", seed: SEED, tally, enough, broken });
    await expect(lane).rejects.toThrow(/: I\d+: /);
  },
  LIMIT_MS,
);
