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
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";
import { ImageHistory, type Told } from "./support/check-image.ts";
import { makePackage, type Package } from "./support/compile.ts";
import { Client, isConnectionError } from "./support/http.ts";
import { startEmbedded } from "./support/start-embedded.ts";

const FULL = "No space left on device";
const DESCRIPTORS = 128;
let built: Package;

beforeAll(async () => {
  built = await makePackage();
});
afterAll(removeTemporaryDirectories);

test("a full disk ends the runtime; with more room everything acknowledged is there", async (context) => {
  const mounted = join(await temporaryDirectory(), "small");
  await mkdir(mounted);
  const mount = (...options: string[]): boolean =>
    spawnSync("mount", ["-t", "tmpfs", ...options, "tmpfs", mounted]).status === 0;
  context.skip(!mount("-o", "size=2m"), "a small file system cannot be mounted here");
  try {
    const dataDir = join(mounted, "data");
    const told: Told[] = [];
    const ends: string[] = [];
    for (let start = 0; start < 4; start++) {
      const runtime = await startEmbedded(built, { dataDir });
      // Once full, there may be room for the first commit of a start, or not even for that.
      if (runtime.ingressUrl === undefined) expect(runtime.said.join("\n")).toContain(FULL);
      else told.push(...(await sendMany(runtime.ingressUrl, 1_000, 20_000)));
      ends.push(await runtime.ended);
    }
    process.stdout.write(`full disk: ${told.length} acknowledgements, ends: ${ends.join()}\n`);
    expect(told.length).toBeGreaterThan(5);
    expect(ends).not.toContain("code 0");
    expect(mount("-o", "remount,size=64m")).toBe(true);
    expect(await new ImageHistory(numbered(told), []).check(dataDir, Infinity)).toEqual([]);
  } finally {
    spawnSync("umount", ["-l", mounted]);
  }
});

test("without file descriptors those who are connected are served on, and all others afterwards", async (context) => {
  context.skip(process.platform !== "linux", "descriptors are counted by Linux's /proc");
  const dataDir = await temporaryDirectory();
  const under = ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"];
  const runtime = await startEmbedded(built, { dataDir, under });
  const url = runtime.ingressUrl ?? "";
  const connected = new Client(url);
  const told = [await append(connected, "before")];
  const idle = await Promise.all(Array.from({ length: 200 }, () => openSocket(url)));
  for (let i = 0; i < 20; i++) told.push(await append(connected, `while ${i}`));
  const open = readdirSync(`/proc/${runtime.child.pid}/fd`).length;
  expect(open).toBeGreaterThan(DESCRIPTORS - 10);
  for (const socket of idle) socket.destroy();
  const late = new Client(url);
  told.push(await append(late, "after"));
  connected.close();
  late.close();
  runtime.child.kill("SIGKILL");
  await runtime.ended;
  expect(await new ImageHistory(numbered(told), []).check(dataDir, Infinity)).toEqual([]);
});

test("a runtime that has too little memory may end, and loses nothing that it acknowledged", async () => {
  const dataDir = await temporaryDirectory();
  const nodeFlags = ["--max-old-space-size=24"];
  const runtime = await startEmbedded(built, { dataDir, nodeFlags });
  const url = runtime.ingressUrl ?? "";
  const lanes = Array.from({ length: 16 }, () => sendMany(url, 8, 400_000));
  const told = (await Promise.all(lanes)).flat();
  runtime.child.kill("SIGKILL");
  process.stdout.write(
    `memory: ended with ${await runtime.ended} after ${told.length} acknowledgements\n`,
  );
  expect(await new ImageHistory(numbered(told), []).check(dataDir, Infinity)).toEqual([]);
});

/** Sends, each to a list of its own, until there are enough or the runtime is gone. */
async function sendMany(url: string, count: number, entryBytes: number): Promise<Told[]> {
  const client = new Client(url);
  const told: Told[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const asked = JSON.stringify("x".repeat(entryBytes));
      const path = `/list/${crypto.randomUUID()}/append/send`;
      const answer = await client.post({ path, asked, idempotencyKey: "" });
      if (answer.status === 202) told.push({ line: i, ...answer });
    }
  } catch (error) {
    if (!isConnectionError(error)) throw error;
  } finally {
    client.close();
  }
  return told;
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
