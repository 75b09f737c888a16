/**
 * Places at which a runtime kills itself. The product knows none of them: they are put into a copy of
 * the built package, and asleep there until a test arms one.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { copyBuild } from "./copy-build.ts";

/** When a place is passed: by every start, by the first one on a new directory, or under load. */
export type Phase = "load" | "start" | "first start";

export interface Failpoint {
  readonly name: string;
  readonly phase: Phase;
  readonly file: string;
  /** Stands in the file once; the runtime dies before it, or after it. */
  readonly before?: string;
  readonly after?: string;
}

const loop = "runtime/loop.js";
const lmdb = "runtime/store/lmdb.js";
const logged = "runtime/store/logged-store.js";
const commitLog = "runtime/store/commit-log.js";
const outlet = "runtime/outlet.js";
const server = "runtime/server.js";
const directory = "runtime/store/directory.js";
const dataDirectory = "runtime/store/data-directory.js";
const lock = "runtime/store/directory-lock.js";
const recover = "runtime/core/recover.js";

const UNDER_LOAD: readonly Omit<Failpoint, "phase">[] = [
  {
    name: "before an input is applied",
    file: loop,
    before: "this.#tellDiskWait(input);",
  },
  {
    name: "after an input was applied",
    file: loop,
    after: "this.#takeEffects(machine.apply(this.#overlay, input, this.#nowMs));",
  },
  {
    name: "before a batch is submitted",
    file: "runtime/committer.js",
    before: "await this.#options.store.commit(sealed.bytes);",
  },
  {
    name: "after a batch went to the log, before its write is told",
    file: commitLog,
    after: "writev(this.#file, [header, batch], place.at, written);",
  },
  {
    name: "as a batch is durable and nobody knows",
    file: logged,
    before: "this.#hold(batch, bytes.length, positionAfter(batch, bytes));",
  },
  {
    name: "as a group leaves for the rows",
    file: logged,
    after: "this.#heldBytes = 0;",
  },
  {
    name: "between two writes of a group",
    file: lmdb,
    after: 'void this.#meta.put(LAST, sealedRow("last", encodeLast(position)), 0);',
  },
  {
    name: "as a group is in the rows and nobody knows",
    file: lmdb,
    before: "// From here on reads must show it",
  },
  {
    name: "as a group is in the rows, before its pages of the log are free",
    file: logged,
    before: "this.#log.release(mark);",
  },
  {
    name: "after the overlay let go of a batch, before its effects",
    file: "runtime/committer.js",
    after: "this.#options.overlay.release(number);",
  },
  { name: "before an effect that was held", file: outlet, before: "this.#perform(it.effect);" },
  { name: "between two effects that were held", file: outlet, after: "this.#perform(it.effect);" },
  {
    name: "after an effect that ran ahead",
    file: outlet,
    after: "if (before === undefined) {\n            this.#perform(effect);",
  },
  {
    name: "after the effects of a commit, before their frames leave",
    file: loop,
    after: "this.#outlet.release(number);",
  },
  {
    name: "after the frames of a turn have left, before its commit",
    file: loop,
    after: "this.#fireTimers();\n        this.#options.afterPerform?.();",
  },
  {
    name: "as the epoch is confirmed, before what waited for that",
    file: loop,
    before: "this.#outlet.confirmed(round);",
  },
  { name: "before timers fire", file: loop, before: "if (due === undefined || due > this.#nowMs)" },
  {
    name: "after timers have fired",
    file: loop,
    after: 'this.#takeEffects(machine.apply(this.#overlay, { kind: "timers-due" }, this.#nowMs));',
  },
];

const AT_EVERY_START: readonly Omit<Failpoint, "phase">[] = [
  {
    name: "as the lock's socket listens, before a link to it",
    file: lock,
    after: "server = await listen(join(near.path, name));",
  },
  {
    name: "as the lock's link is made, before the old ones go",
    file: lock,
    before: "if (highestOwner(place.lockDir) === mine) {",
  },
  {
    name: "as an old link of the lock is half removed",
    file: lock,
    before: "removeIfThere(link);",
  },
  {
    name: "as the directory is locked, before the store opens",
    file: directory,
    after: "const lock = await lockDirectory(directory);",
  },
  {
    name: "in the transaction of the epoch",
    file: lmdb,
    after: "this.#meta.putSync(EPOCH, NOTHING, epoch);",
  },
  {
    name: "as the epoch is durable, before the logs of others are read",
    file: logged,
    after: "const rows = new LmdbRows(path);",
  },
  {
    name: "as the logs of others are in the rows, before they go",
    file: logged,
    before: "removeLogs(logs);",
  },
  {
    name: "as no log is there",
    file: logged,
    after: "removeLogs(logs);",
  },
  {
    name: "as the new log is made, under another name",
    file: commitLog,
    before: "renameSync(draft, this.#path);",
  },
  {
    name: "as the log has its name, before the directories are durable",
    file: directory,
    before: "syncDirectories(directory, path);",
  },
  {
    name: "in the middle of recovery",
    file: recover,
    after: "step.tx.insert(readyKey(queue, sequence), EMPTY);",
  },
  { name: "between two batches of recovery", file: recover, after: "flush(step);" },
  {
    name: "after recovery, before its commit",
    file: loop,
    after:
      "this.#guard(() => this.#takeEffects(this.#options.machine.recover(this.#overlay, this.#nowMs)));",
  },
  {
    name: "as recovery's commit is under way",
    file: loop,
    before: "await this.#settled();\n        if (this.#failure)",
  },
  {
    name: "as recovery is durable, before anything is served",
    file: server,
    before: "parts.recovered();",
  },
];

const AT_THE_FIRST_START: readonly Omit<Failpoint, "phase">[] = [
  {
    name: "as the format is written, under another name",
    file: dataDirectory,
    before: "renameSync(draft, path);\n}\n//#",
  },
  {
    name: "as the format is there and no partition",
    file: dataDirectory,
    before: "mkdirSync(partitions, { recursive: true, mode: 0o700 });",
  },
  {
    name: "as the partition's folder is made and empty",
    file: dataDirectory,
    before: "await makeStore(draft);",
  },
  { name: "as the store is made and not closed", file: lmdb, before: "await env.close();\n}" },
  {
    name: "as the store is made, under another name",
    file: dataDirectory,
    before: "syncDirectory(draft);",
  },
  {
    name: "as the store has its name",
    file: dataDirectory,
    before: "syncDirectory(dirname(path));",
  },
  {
    name: "in the transaction of the first epoch",
    file: lmdb,
    after: "this.#rows.putSync(KEEP, NOTHING);",
  },
];

export const FAILPOINTS: readonly Failpoint[] = [
  ...UNDER_LOAD.map((it) => ({ ...it, phase: "load" as const })),
  ...AT_EVERY_START.map((it) => ({ ...it, phase: "start" as const })),
  ...AT_THE_FIRST_START.map((it) => ({ ...it, phase: "first start" as const })),
];

/** Armed by what it was started with, or by SIGUSR2 with what the file says then. */
const MODULE = `import { readFileSync } from "node:fs";
let [armed, passes] = (process.env.HOLDFAST_FAILPOINT ?? "").split(":");
process.on("SIGUSR2", () => {
  [armed, passes] = readFileSync(process.env.HOLDFAST_FAILPOINT_FILE, "utf8").split(":");
  console.error("a failpoint is armed");
});
export function failpoint(name) {
  if (name !== armed) return;
  passes = Number(passes) - 1;
  if (passes === 0) process.kill(process.pid, "SIGKILL");
}
`;

/** The command line of a copy with all failpoints in it. */
export async function buildWithFailpoints(): Promise<string> {
  // Recovery works through what ran in batches: small ones, so that there are several.
  const small = { file: recover, from: "const BATCH = 256;", to: "const BATCH = 2;" };
  // Groups leave for the rows while what was asked is under way.
  const often = { file: logged, from: "const GROUP_MS_MAX = 200;", to: "const GROUP_MS_MAX = 5;" };
  const { dist, cli } = await copyBuild([small, often]);
  await writeFile(join(dist, "failpoint.js"), MODULE);
  for (const file of new Set(FAILPOINTS.map((it) => it.file))) await plant(dist, file);
  return cli;
}

async function plant(dist: string, file: string): Promise<void> {
  const path = join(dist, file);
  let source = await readFile(path, "utf8");
  const calls = FAILPOINTS.flatMap((it, index) =>
    it.file === file ? [{ at: placeOf(source, it), call: `\nfailpoint("${index}");\n` }] : [],
  );
  // From the end, so that the places before stay where they are.
  for (const { at, call } of calls.toSorted((a, b) => b.at - a.at)) {
    source = source.slice(0, at) + call + source.slice(at);
  }
  const module = relative(join(path, ".."), join(dist, "failpoint.js"));
  const specifier = module.startsWith(".") ? module : `./${module}`;
  await writeFile(path, `import { failpoint } from "${specifier}";\n${source}`);
}

function placeOf(source: string, { file, name, before, after }: Failpoint): number {
  const text = before ?? after ?? "";
  if (source.split(text).length !== 2) throw new Error(`"${name}": ${file} lacks: ${text}`);
  return source.indexOf(text) + (before === undefined ? text.length : 0);
}
