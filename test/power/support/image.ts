/**
 * What may be on the disk after a power loss at some point of a recording.
 *
 * Durable is what a flush covered: a write that had returned before a flush began which returned
 * before the cut, and a write through the synchronous descriptor that had returned. Of every other
 * write that had begun each piece is there or not, by chance. Names follow the same rule with the
 * flushes of their directory.
 */
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../simulation/random.ts";
import type { DiskWrite, FileId, NameChange, Recording } from "./recording.ts";

export interface ImagePlan {
  /** What stands on an earlier line has happened. */
  readonly cutLine: number;
  /** How much reaches the disk or not as one: a page of the cache, or a sector. */
  readonly pieceBytes: 4096 | 512;
  readonly keepProbability: number;
  readonly seed: number;
}

const KEEP = [0, 0.3, 0.5, 0.9] as const;
/** Shares of the cuts: at the very start of an answer, and before the first one; the rest is anywhere. */
const AT_ANSWERS = 0.5;
const AT_START = 0.15;

export function planImage(recording: Recording, seed: number): ImagePlan {
  const random = new Random(seed, "plan");
  return {
    cutLine: drawCut(recording, random),
    pieceBytes: random.pick([4096, 512]),
    keepProbability: random.pick(KEEP),
    seed,
  };
}

function drawCut({ acknowledgements, names, lastLine }: Recording, random: Random): number {
  const firstLine = names[0]?.line ?? 1;
  const firstAnswer = acknowledgements[0]?.line ?? lastLine;
  const where = random.fraction();
  if (where < AT_START) return random.int(firstLine, firstAnswer);
  if (where < AT_START + AT_ANSWERS && acknowledgements.length > 0) {
    return random.pick(acknowledgements).line;
  }
  return random.int(firstLine, lastLine + 1);
}

/** Makes the data directory as the power loss leaves it. */
export function writeImage(
  recording: Recording,
  plan: ImagePlan,
  { formatFile, target }: { readonly formatFile: string; readonly target: string },
): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const random = new Random(plan.seed, "names");
  for (const name of recording.names) {
    if (name.line >= plan.cutLine) continue;
    const durable = name.durableLine !== undefined && name.durableLine < plan.cutLine;
    // Names change in order: without its directory none is there.
    if (!durable && !random.chance(0.5)) return;
    changeName(recording, plan, { name, formatFile, target });
  }
}

function changeName(
  recording: Recording,
  plan: ImagePlan,
  at: { readonly name: NameChange; readonly formatFile: string; readonly target: string },
): void {
  const { change, from, file } = at.name;
  const path = join(at.target, at.name.path);
  if (change === "removed") rmSync(path);
  else if (from !== undefined) renameSync(join(at.target, from), path);
  else if (file !== undefined) writeFileSync(path, imageOf(recording, plan, file));
  else if (path.endsWith(".json")) copyFileSync(at.formatFile, path);
  else mkdirSync(path);
}

function imageOf(recording: Recording, plan: ImagePlan, file: FileId): Buffer {
  const its = (it: { readonly file: FileId }): boolean => it.file === file;
  const begun = recording.writes.filter((it) => its(it) && it.startLine < plan.cutLine);
  const flushed = lastLineFlushed(recording.flushes.filter(its), plan.cutLine);
  const size = Math.max(0, ...begun.map((it) => it.offset + it.bytes.length));
  const bytes = Buffer.alloc(size);
  const random = new Random(plan.seed, `pieces of ${file}`);
  let end = 0;
  for (const write of begun) {
    const whole = isDurable(write, plan.cutLine, flushed);
    for (const [from, to] of whole ? [[0, write.bytes.length] as const] : pieces(write, plan)) {
      if (!whole && !random.chance(plan.keepProbability)) continue;
      write.bytes.copy(bytes, write.offset + from, from, to);
      end = Math.max(end, write.offset + to);
    }
  }
  return bytes.subarray(0, end);
}

/** Writes that ended before this line were covered by a flush that had returned before the cut. */
function lastLineFlushed(flushes: Recording["flushes"], cutLine: number): number {
  return Math.max(0, ...flushes.filter((it) => it.endLine < cutLine).map((it) => it.startLine));
}

function isDurable(write: DiskWrite, cutLine: number, flushed: number): boolean {
  return write.endLine < flushed || (write.synced && write.endLine < cutLine);
}

/** A write cut where pages or sectors of the file meet. */
function* pieces(
  write: DiskWrite,
  { pieceBytes }: ImagePlan,
): Generator<readonly [number, number]> {
  let from = 0;
  while (from < write.bytes.length) {
    const left = pieceBytes - ((write.offset + from) % pieceBytes);
    const to = Math.min(write.bytes.length, from + left);
    yield [from, to];
    from = to;
  }
}
