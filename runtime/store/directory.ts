/** A data directory, taken: locked, its format checked, its store open. */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { makePartition, prepareDataDirectory, syncDirectories } from "./data-directory.ts";
import { lockDirectory, type DirectoryLock } from "./directory-lock.ts";
import { makeLmdbRows } from "./lmdb.ts";
import { openLoggedStore, type LoggedStoreOptions } from "./logged-store.ts";
import type { Store } from "./store.ts";

export interface OpenDirectory {
  readonly store: Store;
  /** Closes the store after its last commit, then lets the next runtime in. */
  close(): Promise<void>;
}

/**
 * Takes a data directory, made when it is not there. The lock comes first: without it nobody reads or
 * writes anything else in there.
 *
 * @throws DirectoryInUseError when another live runtime has it
 * @throws UnknownFormatError when another version of Holdfast wrote it
 */
export async function openDirectory(
  dataDir: string,
  options: Omit<LoggedStoreOptions, "path"> = {},
): Promise<OpenDirectory> {
  const directory = resolve(dataDir);
  makeDirectory(directory);
  const lock = await lockDirectory(directory);
  try {
    const path = prepareDataDirectory(directory, 0);
    await makePartition(path, makeLmdbRows);
    const store = openLoggedStore({ ...options, path });
    syncDirectories(directory, path);
    return { store, close: () => closeAll(store, lock) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function makeDirectory(directory: string): void {
  try {
    makeWithParents(directory);
  } catch (error) {
    // EEXIST, ENOTDIR: something on its path is a file; or rights, or room, are missing.
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${directory} is no directory and cannot be made one (${reason}); name another --data-dir`,
      { cause: error },
    );
  }
}

/** One by one: where nothing can be made, below /proc for one, Node's recursive mkdir never comes back. */
function makeWithParents(directory: string): void {
  if (isDirectory(directory)) return;
  makeWithParents(dirname(directory));
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another one may have made it meanwhile.
    if (!isDirectory(directory)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

async function closeAll(store: Store, lock: DirectoryLock): Promise<void> {
  try {
    await store.close();
  } finally {
    await lock.release();
  }
}
