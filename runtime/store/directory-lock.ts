/**
 * One runtime per data directory, without anything that could be left behind: the holder is whoever
 * answers on a socket, and a socket dies with its process, also under SIGKILL.
 *
 *     lock/<pid>-<random>.sock    a socket, listening before anything points to it
 *     lock/owner-<n>              a symbolic link to the socket of the n-th holder
 *
 * 1. The holder is the process behind the link with the highest number, if it answers.
 * 2. A link is made only with the next number, and only when the highest does not answer. Making it
 *    fails if it is there, so of two who try one wins; and a process that is dead stays dead.
 * 3. The two newest links stay, also after a proper end: whoever found a number dead must find the
 *    next one taken, or a higher one.
 *
 * On Windows a named pipe does the same in one step. The epoch in the store is the second guard.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryInUseError } from "./store.ts";

export interface DirectoryLock {
  release(): Promise<void>;
}

/** A socket's path has room for 108 bytes on Linux and 104 elsewhere, with a zero at its end. */
const SOCKET_PATH_BYTES_MAX = 103;

/**
 * Takes a directory, which must exist, for this process.
 *
 * @throws DirectoryInUseError when a live process has it
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  if (process.platform === "win32") return lockByPipe(directory);
  const lockDir = join(directory, "lock");
  mkdirSync(lockDir, { recursive: true, mode: 0o700 });
  const name = `${process.pid}-${randomBytes(6).toString("hex")}.sock`;
  const near = nearPath(lockDir, name);
  let server: Server | undefined;
  try {
    server = await listen(join(near.path, name));
    await takeOwnership(directory, { lockDir, nearPath: near.path, name });
  } catch (error) {
    server?.close();
    removeIfThere(join(lockDir, name));
    throw error;
  } finally {
    near.dispose();
  }
  const held = server;
  return {
    release: async () => {
      removeIfThere(join(lockDir, name));
      await close(held);
    },
  };
}

interface Place {
  readonly lockDir: string;
  /** The same directory under a name that is short enough for sockets. */
  readonly nearPath: string;
  readonly name: string;
}

async function takeOwnership(directory: string, place: Place): Promise<void> {
  for (;;) {
    const highest = highestOwner(place.lockDir);
    if (highest > 0 && (await answers(join(place.nearPath, ownerName(highest))))) {
      throw inUse(directory, ownerPid(place.lockDir, highest));
    }
    const mine = highest + 1;
    if (!linkIfFree(place.name, join(place.lockDir, ownerName(mine)))) continue;
    if (highestOwner(place.lockDir) === mine) {
      removeOwnersBefore(place.lockDir, highest);
      return;
    }
    // The number had been taken and cleared away meanwhile: somebody newer is there.
    removeIfThere(join(place.lockDir, ownerName(mine)));
  }
}

const ownerName = (number: number): string => `owner-${number}`;

function owners(lockDir: string): number[] {
  return readdirSync(lockDir).flatMap((it) => {
    const number = /^owner-(\d+)$/.exec(it)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

function highestOwner(lockDir: string): number {
  return Math.max(0, ...owners(lockDir));
}

function removeOwnersBefore(lockDir: string, number: number): void {
  for (const owner of owners(lockDir).filter((it) => it < number)) {
    const link = join(lockDir, ownerName(owner));
    const socket = readLink(link);
    if (socket !== undefined) removeIfThere(join(lockDir, socket));
    removeIfThere(link);
  }
}

function ownerPid(lockDir: string, number: number): string | undefined {
  return /^(\d+)-/.exec(readLink(join(lockDir, ownerName(number))) ?? "")?.[1];
}

function inUse(directory: string, pid: string | undefined): DirectoryInUseError {
  const who = pid === undefined ? "another running Holdfast" : `another Holdfast (pid ${pid})`;
  return new DirectoryInUseError(
    `the data directory ${directory} is in use by ${who}; stop that one, or use another --data-dir`,
  );
}

/** Whether a live process listens. In doubt one does: refusing to start harms nobody. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => {
      const code = codeOf(error);
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT");
    });
  });
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  // The lock alone keeps no process alive.
  server.unref();
  return server;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/**
 * The directory itself, or a temporary link to it when its path is too long for a socket. A socket is
 * the file and not its path, so the link is needed only until we listen and have asked.
 */
function nearPath(lockDir: string, name: string): { readonly path: string; dispose(): void } {
  if (Buffer.byteLength(join(lockDir, name)) <= SOCKET_PATH_BYTES_MAX) {
    return { path: lockDir, dispose: () => undefined };
  }
  const temporary = mkdtempSync(join(tmpdir(), "holdfast-"));
  const path = join(temporary, "l");
  symlinkSync(lockDir, path);
  return { path, dispose: () => rmSync(temporary, { recursive: true, force: true }) };
}

function linkIfFree(target: string, path: string): boolean {
  try {
    symlinkSync(target, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function lockByPipe(directory: string): Promise<DirectoryLock> {
  const id = createHash("sha256").update(directory.toLowerCase()).digest("hex").slice(0, 32);
  try {
    const server = await listen(`\\\\.\\pipe\\holdfast-${id}`);
    return { release: () => close(server) };
  } catch (error) {
    if (codeOf(error) === "EADDRINUSE") throw inUse(directory, undefined);
    throw error;
  }
}
