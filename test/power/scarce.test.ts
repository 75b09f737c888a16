/**
 * What a runtime needs runs out: disk, file descriptors, memory. It may end, and nothing that it
 * acknowledged is lost.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { ImageHistory, type Told } from "./support/check-image.ts";
import { makePackage, type Package } from "./support/compile.ts";
import { Client, isConnectionError } from "./support/http.ts";
import { startEmbedded } from "./support/start-embedded.ts";

const FULL = /no space left on device|there is room on the disk/i;
const LIMIT_MS = 300_000;
const DESCRIPTORS = 128;
let built: Package;

beforeAll(async () => {
  built = await makePackage();
});
afterAll(removeTemporaryDirectories);

test(
  "a full disk ends the runtime; with more room everything acknowledged is there",
  async (context) => {
    const disk = await mountSmall("6m");
    // Only root may mount, as in CI; the disk of the machine is not ours to fill.
    context.skip(disk === undefined, "a small file system cannot be mounted here");
    if (disk === undefined) return;
    try {
      const dataDir = join(disk.path, "data");
      const told: Told[] = [];
      const ends: string[] = [];
      for (let start = 0; start < 4; start++) {
        // Nothing that warns before: the disk fills up for somebody else's reasons too.
        const runtime = await startEmbedded(built, { dataDir, limits: { diskFreeBytesMin: 0 } });
        // Once full, there may be room for the first commit of a start, or not even for that.
        if (runtime.ingressUrl === undefined) expect(runtime.said.join("\n")).toMatch(FULL);
        else told.push(...(await sendMany(runtime.ingressUrl, 1_000, 20_000)).told);
        runtime.child.kill("SIGTERM");
        ends.push(await runtime.ended);
      }
      process.stdout.write(`full disk: ${told.length} acknowledgements, ends: ${ends.join()}\n`);
      expect(told.length).toBeGreaterThan(5);
      expect(ends).not.toContain("code 0");
      expect(disk.resize("64m")).toBe(true);
      const history = new ImageHistory(numbered(told), []);
      expect(await history.check(dataDir, Infinity)).toEqual([]);
    } finally {
      disk.unmount();
    }
  },
  LIMIT_MS,
);

test(
  "a disk that is nearly full takes nothing new, and the runtime lives",
  async (context) => {
    const disk = await mountSmall("256m");
    // Only root may mount, as in CI; the disk of the machine is not ours to fill.
    context.skip(disk === undefined, "a small file system cannot be mounted here");
    if (disk === undefined) return;
    try {
      const dataDir = join(disk.path, "data");
      const limits = { diskFreeBytesMin: 250 * 1024 * 1024 };
      const runtime = await startEmbedded(built, { dataDir, limits });
      // It looks once a second: more than enough of them, until one is refused.
      const { told, refused } = await sendMany(runtime.ingressUrl ?? "", 100_000, 2_000);
      runtime.child.kill("SIGTERM");
      expect(await runtime.ended).toBe("code 0");
      expect(refused).toBe(503);
      expect(await new ImageHistory(told, []).check(dataDir, Infinity)).toEqual([]);
    } finally {
      disk.unmount();
    }
  },
  LIMIT_MS,
);

interface SmallDisk {
  readonly path: string;
  resize(size: string): boolean;
  unmount(): void;
}

/** Undefined where mounting is not permitted. */
async function mountSmall(size: string): Promise<SmallDisk | undefined> {
  const path = join(await temporaryDirectory(), "small");
  await mkdir(path);
  const mount = (options: string): boolean =>
    spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status === 0;
  if (!mount(`size=${size}`)) return undefined;
  return {
    path,
    resize: (more) => mount(`remount,size=${more}`),
    unmount: () => {
      spawnSync("umount", ["-l", path]);
    },
  };
}

test(
  "without file descriptors those who are connected are served on, and all others afterwards",
  async (context) => {
    // It waits until they are used up, which no other system tells by a file.
    context.skip(process.platform !== "linux", "descriptors are counted by Linux's /proc");
    const dataDir = await temporaryDirectory();
    const under = ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"];
    const runtime = await startEmbedded(built, { dataDir, under });
    const url = runtime.ingressUrl ?? "";
    const connected = new Client(url);
    const told = [await append(connected, "before")];
    const idle = await Promise.all(Array.from({ length: 200 }, () => openSocket(url)));
    for (let i = 0; i < 20; i++) told.push(await append(connected, `while ${i}`));
    const openCount = (): number => readdirSync(`/proc/${runtime.child.pid}/fd`).length;
    expect(openCount()).toBeGreaterThan(DESCRIPTORS - 10);
    for (const socket of idle) socket.destroy();
    // Whoever comes before it has seen them go is reset, as those were whom it could not take.
    while (openCount() > DESCRIPTORS / 2) await setTimeout(5);
    const late = new Client(url);
    told.push(await append(late, "after"));
    connected.close();
    late.close();
    runtime.child.kill("SIGKILL");
    await runtime.ended;
    expect(await new ImageHistory(numbered(told), []).check(dataDir, Infinity)).toEqual([]);
  },
  LIMIT_MS,
);

test(
  "a runtime that has too little memory may end, and loses nothing that it acknowledged",
  async () => {
    const dataDir = await temporaryDirectory();
    const nodeFlags = ["--max-old-space-size=24"];
    const runtime = await startEmbedded(built, { dataDir, nodeFlags });
    const url = runtime.ingressUrl ?? "";
    const lanes = Array.from({ length: 16 }, () => sendMany(url, 8, 400_000));
    const told = (await Promise.all(lanes)).flatMap((it) => it.told);
    runtime.child.kill("SIGKILL");
    process.stdout.write(
      `memory: ended with ${await runtime.ended} after ${told.length} acknowledgements\n`,
    );
    expect(await new ImageHistory(numbered(told), []).check(dataDir, Infinity)).toEqual([]);
  },
  LIMIT_MS,
);

interface Sent {
  readonly told: Told[];
  /** The status of the first answer that was not 202. */
  readonly refused: number | undefined;
}

/** Sends, each to a list of its own, until there are enough, one is refused, or the runtime is gone. */
async function sendMany(url: string, count: number, entryBytes: number): Promise<Sent> {
  const client = new Client(url);
  const told: Told[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const asked = JSON.stringify("x".repeat(entryBytes));
      const path = `/list/${crypto.randomUUID()}/append/send`;
      const answer = await client.post({ path, asked, idempotencyKey: "" });
      if (answer.status !== 202) return { told, refused: answer.status };
      told.push({ line: i, ...answer });
    }
  } catch (error) {
    if (!isConnectionError(error)) throw error;
  } finally {
    client.close();
  }
  return { told, refused: undefined };
}

async function append(client: Client, entry: string): Promise<Told> {
  const asked = JSON.stringify(entry);
  const answer = await client.post({ path: "/list/a/append", asked, idempotencyKey: "" });
  expect(answer.status).toBe(200);
  return { line: 0, ...answer };
}

function numbered(told: readonly Told[]): Told[] {
  return told.map((it, line) => ({ ...it, line }));
}

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}
