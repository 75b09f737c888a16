/**
 * A worker that was written from protocol/PROTOCOL.md alone, with bare ws, completes an invocation
 * with a run and a sleep; and takes over one that another of its kind left in the middle of the run.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startRuntime, type Runtime } from "../../runtime/index.ts";
import { post } from "./support/ingress.ts";

const SCRIPT = fileURLToPath(new URL("../support/bare-worker.mjs", import.meta.url));

let runtime: Runtime;
let dataDir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-bare-"));
  const ports = { ingressPort: 0, adminPort: 0, workerPort: 0 };
  runtime = await startRuntime({ dataDir, logLevel: "silent", ...ports });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function startBareWorker(env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SCRIPT, runtime.workerUrl], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((resolve) => {
    lines.on("line", (line) => {
      if (line === "bare worker ready") resolve();
    });
  });
  return child;
}

test("it completes an invocation with a run and a sleep", async () => {
  await startBareWorker();
  const answer = await post(`${runtime.ingressUrl}/Bare/greet`, "Ann");
  expect(answer).toEqual({ status: 200, body: "Ann ran as try 1 slept" });
});

test("it takes over what another one left in the middle of the run", async () => {
  const first = await startBareWorker({ DIE_AT_FIRST_GO: "1" });
  const answer = post(`${runtime.ingressUrl}/Bare/greet`, "Bob");
  await once(first, "exit");
  await startBareWorker();
  expect(await answer).toEqual({ status: 200, body: "Bob ran as try 2 slept" });
});

test("a bad frame closes its connection with a code and a reason; the others go on", async () => {
  await startBareWorker();
  const bad = new WebSocket(runtime.workerUrl, "holdfast.v1");
  await once(bad, "open");
  bad.send(Buffer.from([0x92, 0x00, 0x91, 0x7f]));
  const [code, reason] = (await once(bad, "close")) as [number, Buffer];
  expect(code).toBe(4400);
  expect(reason.toString()).not.toBe("");
  const answer = await post(`${runtime.ingressUrl}/Bare/greet`, "Cid");
  expect(answer).toEqual({ status: 200, body: "Cid ran as try 1 slept" });
});

test("a browser is refused", async () => {
  const browser = new WebSocket(runtime.workerUrl, "holdfast.v1", {
    origin: "http://evil.example",
  });
  const [error] = (await once(browser, "error")) as [Error];
  expect(error.message).toContain("403");
});

/**
 * A path that a URL parser throws at ended the process: the upgrade handler had no catch. Found by
 * reading; the path is compared as text now.
 */
test.each(["//", "/other", "/\\\\"])(
  "an upgrade for the path %s is refused and harms nobody",
  async (path) => {
    const { port } = new URL(runtime.workerUrl);
    const socket = connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    const lines = [
      `GET ${path} HTTP/1.1`,
      "host: worker",
      "connection: upgrade",
      "upgrade: websocket",
      "sec-websocket-version: 13",
      "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
      "sec-websocket-protocol: holdfast.v1",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    expect(answer.toString()).toContain("404");
    await startBareWorker();
  },
);
