/**
 * Checks the images of one recording, in a process of its own: a broken image can end it.
 *
 *     node check-images.js <recording directory> <scratch directory> <first image> <end>
 *
 * Says one JSON object per line: {"begun": n} before an image, {"checked": n, "violations": [...]}
 * after it, and first {"order": [...]}, what the order of system calls alone shows.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordingFile } from "../support/record.ts";
import { planImage, writeImage } from "../support/image.ts";
import { ImageHistory } from "../support/check-image.ts";
import { brokenOrder } from "../support/check-order.ts";
import { readRecording } from "../support/recording.ts";

const [path = "", scratch = "", first, end] = process.argv.slice(2);
const say = (what: unknown): void => void process.stdout.write(`${JSON.stringify(what)}\n`);

const { seed, dataDir, tenures, observed } = JSON.parse(
  readFileSync(join(path, "recording.json"), "utf8"),
) as RecordingFile; // written by record.ts
const recording = readRecording(
  dataDir,
  Array.from({ length: tenures }, (_, i) => ({
    trace: readFileSync(join(path, `trace-${i}`), "latin1"),
    leftBehind: filesIn(join(path, `left-${i}`)),
  })),
);

function filesIn(directory: string): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
}

// Only what carries an idempotency key is asked for again.
const repeated = new Set(observed.map((it) => it.id));
say({
  order: brokenOrder(recording, repeated),
  acknowledgements: recording.acknowledgements.length,
  goes: recording.goes.length,
});
const history = new ImageHistory(recording.acknowledgements, observed, recording.goes);
const formatFile = join(path, "holdfast.json");
for (let image = Number(first); image < Number(end); image++) {
  const plan = planImage(recording, seed * 1_000 + image);
  const target = join(scratch, "image");
  say({ begun: image, plan });
  writeImage(recording, plan, { formatFile, target });
  const violations = await history.check(target, plan.cutLine);
  say({ checked: image, violations });
}
