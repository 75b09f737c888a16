/**
 * Each I/O call of a reference script fails once, as if the disk had: the runtime ends itself, and
 * whatever it had told anybody is there after the next start. Every n is tried, until a run in which
 * there is no n-th call.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { checkImages } from "./support/check.ts";
import { ImageHistory } from "./support/check-image.ts";
import { makePackage, SMALL_LOG, type Package, type SourceChange } from "./support/compile.ts";
import { CALLS, runWithFault, type Fault, type FaultRun } from "./support/faults.ts";
import { record } from "./support/record.ts";
import { START_SYSCALLS, startWithFault, type StartFault } from "./support/start-faults.ts";
import { straceMissing } from "./support/strace.ts";

const LIMIT_MS = 600_000;
const LANES = 2;
/** Each batch goes to the rows by itself: with the groups of the product there would be few calls to fail. */
const NO_GROUPS: SourceChange = {
  of: "processes",
  file: "runtime/store/logged-store.js",
  from: "this.#hold(batch, bytes.length, positionAfter(batch, bytes));",
  to: "this.#hold(batch, bytes.length, positionAfter(batch, bytes)); await this.#applyAll();",
};
/** lmdb-js ends by SIGSEGV when it cannot write the first pages of a file, or size its lock file. */
const LMDB_DIES = ["pwrite64 1", "ftruncate 1"];
const missing = straceMissing();
let built: Package;

beforeEach((context) => {
  // In CI strace has to be there: a suite that is always skipped proves nothing.
  if (missing !== undefined && process.env["CI"] === "true") throw new Error(missing);
  // Elsewhere they cannot run without it: `missing` says why.
  context.skip(missing !== undefined, missing);
});
beforeAll(async () => {
  // Of a log of the usual size a start writes a thousand pages, one like the other.
  built = await makePackage(NO_GROUPS, SMALL_LOG);
});
afterAll(removeTemporaryDirectories);

test.each(["pwritev", "fdatasync", "pwrite64", "writev"] as const)(
  "every %s of the reference script fails once: the runtime ends itself, and nothing it told is lost",
  async (syscall) => {
    const path = await temporaryDirectory();
    const ends = new Map<string, number>();
    const violations: string[] = [];
    let next = 1;
    let hits = 0;
    let more = true;
    const lane = async (): Promise<void> => {
      while (more) {
        const nth = next++;
        const error = syscall === "fdatasync" || nth % 2 === 0 ? "EIO" : "ENOSPC";
        const fault: Fault = { syscall, error, nth };
        const directory = join(path, `${nth}`);
        await mkdir(directory);
        const run = await runWithFault(built, directory, fault);
        const broken = await brokenBy(join(directory, "data"), run);
        violations.push(...broken.map((it) => `${JSON.stringify(fault)}: ${it}`));
        await rm(directory, { recursive: true });
        ends.set(run.end, (ends.get(run.end) ?? 0) + 1);
        if (run.hit) hits++;
        else more = false;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    report(`${syscall}: ${hits} calls failed, ends: ${JSON.stringify([...ends])}`);
    expect(violations).toEqual([]);
    // Two commits for each call of a client, with one flush each.
    expect(hits).toBeGreaterThanOrEqual(2 * CALLS);
  },
  LIMIT_MS,
);

test(
  "every call of a first start fails once: it does not serve, says so, and the next start does",
  async () => {
    const path = await temporaryDirectory();
    const wrong: string[] = [];
    const hits = new Map<string, number>();
    const failAll = async (syscall: StartFault["syscall"]): Promise<void> => {
      for (let nth = 1; ; nth++) {
        const fault: StartFault = { syscall, error: nth % 2 === 0 ? "EIO" : "ENOSPC", nth };
        const directory = join(path, `${syscall}-${nth}`);
        await mkdir(directory);
        const run = await startWithFault(built, directory, fault);
        const what = `${JSON.stringify(fault)} ended with ${run.end} ${run.said}`;
        const silent = run.hit && !run.said.includes("the runtime did not start: ");
        if (silent && !LMDB_DIES.includes(`${syscall} ${nth}`)) wrong.push(`${what}: said nothing`);
        if (run.hit === run.ready) wrong.push(`${what}: ready is ${run.ready}`);
        const broken = await new ImageHistory([], []).check(join(directory, "data"), Infinity);
        wrong.push(...broken.map((it) => `${what}: ${it}`));
        await rm(directory, { recursive: true });
        if (!run.hit) return;
        hits.set(syscall, nth);
      }
    };
    const left = [...START_SYSCALLS];
    const lane = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) await failAll(next);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    report(`first start: ${JSON.stringify([...hits])} calls failed`);
    expect(wrong).toEqual([]);
  },
  LIMIT_MS,
);

test(
  "with flushes of 200 ms no answer is earlier than its flush",
  async () => {
    const path = join(await temporaryDirectory(), "slow");
    const slow = ["-e", "inject=fdatasync,pwritev:delay_enter=200000"];
    await record(built, path, { seed: 1, answers: { least: 8, most: 8 }, straceFlags: slow });
    const checked = await checkImages(built, { recording: path, images: 40 });
    report(`slow flushes: ${checked.acknowledgements} acknowledgements, ${checked.images} images`);
    expect(checked.violations).toEqual([]);
    expect(checked.acknowledgements).toBeGreaterThanOrEqual(16);
  },
  LIMIT_MS,
);

/** What is wrong with one run, as sentences. */
async function brokenBy(dataDir: string, run: FaultRun): Promise<string[]> {
  const history = new ImageHistory(run.told, run.observed);
  const broken = await history.check(dataDir, Infinity);
  if (run.hit === (run.end === "code 0")) broken.push(`it ended with ${run.end}`);
  if (run.end === "SIGQUIT") broken.push("it neither closed nor ended itself");
  if (!run.hit && run.told.length < CALLS - 1) broken.push(`only ${run.told.length} were answered`);
  return [...broken, ...run.refused];
}

function report(text: string): void {
  process.stdout.write(`${text}\n`);
}
