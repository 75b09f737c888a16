/**
 * Peers that send as much as they can, against a runtime of its own process: its memory stays within
 * bounds and others are served meanwhile. What is measured is the largest size that the process ever
 * had, as the kernel keeps it.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { packValue } from "../../protocol/pack.ts";
import type { Plain } from "../../protocol/fields.ts";
import { startRuntimeProcess, stopAll, type RuntimeProcess } from "../e2e/support/processes.ts";
import { handler, bytes, serviceOf } from "../support/core-harness.ts";
import { BarePeer } from "./bare-peer.ts";
import { report } from "./effort.ts";
import { dialRaw, webSocketFrame, write } from "./raw-worker.ts";

const MIB = 1024 * 1024;
/** Beside bodies that are being received, which have a limit of their own of 256 MiB. */
const GROWN_MIB_MAX = 400;
const OK = { ok: true, value: bytes("1") } as const;
const grown: Record<string, number> = {};

let runtime: RuntimeProcess;
let honest: BarePeer;

beforeEach(async () => {
  runtime = await startRuntimeProcess();
  honest = await BarePeer.register(runtime.workerUrl, [
    serviceOf("Honest", "object", [handler("add", "exclusive")]),
  ]);
  let seen = 0;
  honest.socket.on("message", () => {
    const starts = honest.heard.filter((it) => it.kind === "start");
    for (const { attempt } of starts.slice(seen)) honest.say({ kind: "end", attempt, result: OK });
    seen = starts.length;
  });
});
afterEach(stopAll);
afterAll(() => report("floods, MiB grown", grown));

/** The largest size so far, in MiB. */
function peakMib(): number {
  const status = readFileSync(`/proc/${runtime.child.pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

async function expectServed(): Promise<void> {
  const url = `${runtime.ingressUrl}/Honest/key/add`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: "1" });
  expect([answer.status, await answer.text()]).toEqual([200, "1"]);
}

/** Does it while others are served, and notes by how much the runtime grew. */
async function expectBounded(name: string, send: () => Promise<unknown>): Promise<void> {
  await expectServed();
  const before = peakMib();
  const sent = send();
  for (let i = 0; i < 5; i++) await expectServed();
  await sent;
  await expectServed();
  expect(honest.over).toBe(false);
  grown[name] = Math.round(peakMib() - before);
  expect(grown[name]).toBeLessThan(GROWN_MIB_MAX);
}

beforeEach((context) => {
  // What is claimed here is a size, and no other system tells the peak of a process by a file.
  if (process.platform !== "linux") context.skip("the size of a process is read from /proc");
});

describe("the worker port", () => {
  test("millions of small messages", async () => {
    const peer = await BarePeer.register(runtime.workerUrl, []);
    const frame = packValue([0, ...Array<Plain>(32_000).fill([8])]);
    await expectBounded("of small messages", async () => {
      for (let i = 0; i < 100 && !peer.over; i++) {
        await new Promise((resolve) => peer.socket.send(frame, resolve));
      }
      await peer.roundTrip();
    });
    expect(peer.over).toBe(false);
  });

  test("pieces without end, also after the refusal", async () => {
    const socket = await dialRaw(runtime.workerUrl);
    const piece = webSocketFrame(packValue([0, false, new Uint8Array(60_000)]));
    await expectBounded("of pieces", () => repeat(socket, piece, 300 * MIB));
    socket.destroy();
  });

  test("fragments of a byte", async () => {
    const socket = await dialRaw(runtime.workerUrl);
    const first = webSocketFrame(Uint8Array.of(0x92), { opcode: 2, last: false });
    const more = webSocketFrame(Uint8Array.of(0x90), { opcode: 0, last: false });
    const many = Buffer.concat(Array<Buffer>(8_000).fill(more));
    await expectBounded("of fragments", async () => {
      await write(socket, first);
      await repeat(socket, many, 10 * MIB);
    });
    socket.destroy();
  });

  test("many that say no hello, and half of something large", async () => {
    const piece = webSocketFrame(packValue([0, false, new Uint8Array(60_000)]));
    const sockets = await Promise.all(Array.from({ length: 30 }, () => dialRaw(runtime.workerUrl)));
    await expectBounded("without a hello", () =>
      Promise.all(sockets.map((socket) => repeat(socket, piece, 10 * MIB))),
    );
    for (const socket of sockets) socket.destroy();
  });
});

describe("the ingress", () => {
  const dial = (): Socket => {
    const socket = connect(Number(new URL(runtime.ingressUrl).port), "127.0.0.1");
    return socket.on("error", () => undefined);
  };
  const head = "POST /Honest/slow/add HTTP/1.1\r\nhost: localhost\r\n";

  test("requests in a row whose answers nobody reads", async () => {
    const socket = dial();
    const requests = Buffer.from(
      "GET /nobody/here HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(500),
    );
    // What is not taken any more stays with the client: so it is not waited for.
    await expectBounded("of unread answers", async () => {
      for (let i = 0; i < 200; i++) socket.write(requests);
      await Promise.resolve();
    });
    socket.destroy();
  });

  test("bodies that stop in the middle", async () => {
    const sockets = Array.from({ length: 60 }, dial);
    const part = Buffer.alloc(8 * MIB, 0x20);
    const length = `content-type: application/json\r\ncontent-length: ${10 * MIB}\r\n\r\n`;
    await expectBounded("of half bodies", async () => {
      // All together may occupy no more than `receivingBytesMax`; the rest is refused.
      await Promise.all(sockets.map((it) => write(it, Buffer.concat([Buffer.from(head + length), part])))); // prettier-ignore
    });
    for (const socket of sockets) socket.destroy();
  });

  test("a body without end", async () => {
    const socket = dial();
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536), Buffer.from("\r\n")]); // prettier-ignore
    await expectBounded("of an endless body", async () => {
      await write(socket, Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`));
      await repeat(socket, chunk, 100 * MIB);
    });
    socket.destroy();
  });

  test("a thousand requests that stop in their head", async () => {
    const sockets = Array.from({ length: 1_000 }, dial);
    await expectBounded("of half heads", () =>
      Promise.all(sockets.map((it) => write(it, Buffer.from(`${head}x-a: ${"a".repeat(8_000)}`)))),
    );
    for (const socket of sockets) socket.destroy();
  });
});

/** Writes the same again and again, as fast as it is taken; ends early when the socket is gone. */
async function repeat(socket: Socket, bytes: Uint8Array, total: number): Promise<void> {
  socket.resume();
  for (let sent = 0; sent < total && !socket.destroyed; sent += bytes.length) {
    await Promise.race([write(socket, bytes), closed(socket)]);
  }
}

const closing = new WeakMap<Socket, Promise<unknown>>();

function closed(socket: Socket): Promise<unknown> {
  const known = closing.get(socket) ?? new Promise((resolve) => socket.once("close", resolve));
  closing.set(socket, known);
  return known;
}
