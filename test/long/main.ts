/**
 * `npm run test:long -- --minutes 60`: what the suites do with each commit, without end and with new
 * seeds, and a soak beside it. Stops to begin anything when the time is over, and waits for what runs.
 *
 * `--seed N` begins with that seed: each suite counts up from there. A failure prints the line that
 * repeats it and what the suite said; then the others go on. Exit code 1 if anything failed.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

interface Suite {
  readonly name: string;
  /** Some minutes at most: between two of them the time is looked at. */
  readonly command: (seed: number) => readonly string[];
  readonly env?: (seed: number) => Readonly<Record<string, string>>;
}

const vitest = (...paths: string[]): readonly string[] => [
  ...["npx", "vitest", "run", "--testTimeout=600000"],
  ...paths,
];

const SUITES: readonly Suite[] = [
  {
    name: "simulation",
    command: (seed) => {
      const seeds = ["--seed", String(1_000_000 + seed * 2_000), "--count", "2000"];
      return ["npm", "run", "-s", "simulate", "--", ...seeds];
    },
  },
  {
    name: "kill loop",
    command: () => vitest("test/kill/kill-loop.test.ts"),
    env: (seed) => ({ HOLDFAST_KILL_SEED: String(seed) }),
  },
  {
    name: "power loss",
    command: () => vitest("test/power/power-loss.test.ts"),
    env: (seed) => ({ HOLDFAST_POWER_SEED: String(seed) }),
  },
  {
    name: "hostile input",
    command: () => vitest("test/hostile", "test/core/key-codecs.test.ts"),
    env: (seed) => ({ FUZZ_SEED: String(seed), FUZZ_FACTOR: "2" }),
  },
  {
    name: "linearizability",
    command: () => vitest("test/linearizability"),
    env: (seed) => ({ FUZZ_SEED: String(seed), LINEARIZABLE_OPERATIONS: "5000" }),
  },
  {
    name: "failpoints",
    command: () => vitest("test/kill/failpoints.test.ts"),
    env: (seed) => ({ HOLDFAST_KILL_SEED: String(seed), HOLDFAST_FAILPOINT_PASSES: "8" }),
  },
  {
    name: "failing disks, scarce resources, damaged rows",
    command: () => vitest("test/power/io-faults", "test/power/scarce", "test/power/bit-flips"),
  },
  {
    name: "seeded bugs",
    command: () => vitest("test/simulation/bugs"),
    env: (seed) => ({ SEEDED_BUGS_FROM: String(5_000_000 + seed * 3_000) }),
  },
];

interface Count {
  runs: number;
  failed: number;
}

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, seed: { type: "string" } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes is a number above 0, not ${values.minutes}`);
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000);
const endMs = performance.now() + minutes * 60_000;
const counts = new Map<string, Count>();

function say(text: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

/** What counts and seeds are in; the rest only matters when it fails. */
const WORTH_SAYING = /\bseed\b|seeded bugs from|places|^\{"|violation|^soak|\d+ passed, \d+ failed/;

async function run({ name, command, env }: Suite, seed: number): Promise<void> {
  const variables = env?.(seed) ?? {};
  const [program = "", ...args] = command(seed);
  const set = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
  const line = [...set, program, ...args].join(" ");
  say(`${name}: ${line}`);
  const child = spawn(program, args, {
    env: { ...process.env, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (text) => {
      said.push(text);
      if (said.length > 2_000) said.shift();
      if (WORTH_SAYING.test(text)) say(`${name}: ${text.slice(0, 500)}`);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const count = counts.get(name) ?? { runs: 0, failed: 0 };
  counts.set(name, count);
  count.runs++;
  if (code === 0) return;
  count.failed++;
  say(`${name}: FAILED (${code ?? "by a signal"}); to repeat it:\n  ${line}\n${said.join("\n")}`);
}

async function suites(): Promise<void> {
  for (let seed = firstSeed; ; seed++) {
    for (const suite of SUITES) {
      if (performance.now() > endMs) return;
      await run(suite, seed);
    }
  }
}

const soak: Suite = {
  name: "soak",
  command: () => vitest("test/long/soak.test.ts"),
  env: (seed) => ({ HOLDFAST_KILL_SEED: String(seed), HOLDFAST_SOAK_MINUTES: String(minutes) }),
};

say(`${minutes} minutes from seed ${firstSeed}`);
await Promise.all([run(soak, firstSeed), suites()]);
for (const [name, { runs, failed }] of counts) say(`${name}: ${runs} runs, ${failed} failed`);
const failed = [...counts.values()].reduce((sum, it) => sum + it.failed, 0);
say(failed === 0 ? "no violation" : `${failed} runs failed`);
process.exitCode = failed === 0 ? 0 : 1;
