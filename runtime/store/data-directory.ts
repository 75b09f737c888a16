/**
 * What a data directory is: its format, its partitions, who may read it.
 *
 *     holdfast.json    {"format": 4, "slots": 4096}
 *     lock/            who has the directory (directory-lock.ts)
 *     partitions/0/    the store of partition 0; 0.new/ while it is made
 *
 * Data of another format is refused, older or newer: nothing guesses. The format is on the disk
 * before the first partition is made, so that data without it is damage. A partition has its name only
 * once its empty store is whole and on the disk.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SLOT_COUNT } from "../../protocol/ids.ts";
import { UnknownFormatError } from "./store.ts";

/** Moves whenever rows change so that an older Holdfast could not read them. */
export const DATA_FORMAT = 5;
const FORMAT_FILE = "holdfast.json";

interface FormatFile {
  readonly format: number;
  readonly slots: number;
}

/** Checks the directory's format, or gives it one, and gives the partition's path. */
export function prepareDataDirectory(dataDir: string, partition: number): string {
  const path = join(dataDir, FORMAT_FILE);
  const partitions = join(dataDir, "partitions");
  if (existsSync(path)) {
    checkFormat(dataDir, readFormat(path));
  } else if (existsSync(partitions)) {
    throw new UnknownFormatError(
      `${dataDir} holds data, but ${FORMAT_FILE}, which names its format, is missing. Restore it from a backup, or use another --data-dir.`,
    );
  } else {
    writeFormat(path, { format: DATA_FORMAT, slots: SLOT_COUNT });
    syncDirectory(dataDir);
  }
  mkdirSync(partitions, { recursive: true, mode: 0o700 });
  return join(partitions, String(partition));
}

/**
 * The partition's path in a directory that is there; nothing is made.
 *
 * @throws UnknownFormatError when it is no data directory, or one of another format
 */
export function findPartition(dataDir: string, partition: number): string {
  const path = join(dataDir, FORMAT_FILE);
  if (!existsSync(path)) {
    throw new UnknownFormatError(
      `${dataDir} is no data directory of Holdfast: it has no ${FORMAT_FILE}. Name the directory that --data-dir named.`,
    );
  }
  checkFormat(dataDir, readFormat(path));
  return join(dataDir, "partitions", String(partition));
}

/** Makes a partition's store when it is not there. What a power loss left of an earlier try goes. */
export async function makePartition(
  path: string,
  makeStore: (path: string) => Promise<void>,
): Promise<void> {
  if (existsSync(path)) return;
  const draft = `${path}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  await makeStore(draft);
  syncDirectory(draft);
  renameSync(draft, path);
  syncDirectory(dirname(path));
}

/** A file that was created is only safe once its directory is on disk. */
export function syncDirectories(dataDir: string, partitionPath: string): void {
  for (const path of [partitionPath, dirname(partitionPath), dataDir, dirname(dataDir)]) {
    syncDirectory(path);
  }
}

function syncDirectory(path: string): void {
  // Windows journals its directories by itself and refuses to flush them.
  if (process.platform === "win32") return;
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readFormat(path: string): FormatFile {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as FormatFile; // checked by checkFormat
  } catch (error) {
    throw new UnknownFormatError(`${path} is not readable as JSON: is this a Holdfast directory?`, {
      cause: error,
    });
  }
}

function checkFormat(dataDir: string, found: FormatFile | null): void {
  const { format, slots } = found ?? {};
  if (format !== DATA_FORMAT) {
    const whose =
      typeof format !== "number" ? "another" : format > DATA_FORMAT ? "a newer" : "an older";
    throw new UnknownFormatError(
      `the data in ${dataDir} has format ${format}, written by ${whose} version of Holdfast; this version reads format ${DATA_FORMAT}. Start the version that wrote it, or use another --data-dir.`,
    );
  }
  if (slots !== SLOT_COUNT) {
    throw new UnknownFormatError(
      `the data in ${dataDir} has ${slots} slots, this version of Holdfast uses ${SLOT_COUNT}. Use another --data-dir.`,
    );
  }
}

function writeFormat(path: string, format: FormatFile): void {
  const draft = `${path}.new`;
  writeFileSync(draft, `${JSON.stringify(format)}\n`, { mode: 0o600, flush: true });
  renameSync(draft, path);
}
