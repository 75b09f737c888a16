/**
 * A worker keeps its frame open while the next of a chain of starts runs (`Channel.expectMore`): one
 * frame for many ends. Nothing that is ready waits for longer than the hold, and none of it is lost.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { workerMessageDecoder } from "../../protocol/codec.ts";
import { formatInvocationId } from "../../protocol/ids.ts";
import { encodeFrames } from "../../protocol/codec.ts";
import type { Follower, RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { object } from "../../sdk/define.ts";
import type { ObjectContext } from "../../sdk/context.ts";
import { WorkerSession } from "../../sdk/worker/worker-session.ts";
import { dial, type Dialed } from "../../sdk/worker/ws-channel.ts";

const MIB = 1024 * 1024;
const HELD_MS_MAX = 2;

let server: WebSocketServer;
let channel: Dialed;
let peer: WebSocket;
/** What the runtime's side got, a list for each frame. */
let frames: string[][] = [];
let closes: number[] = [];
let nowMs = 0;

beforeEach(async () => {
  frames = [];
  closes = [];
  nowMs = 1_000;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // of a TCP server
  const connected = once(server, "connection");
  const { signal } = new AbortController();
  const url = `ws://127.0.0.1:${port}`;
  channel = await dial({ url, token: undefined, timeoutMs: 10_000, signal });
  [peer] = (await connected) as [WebSocket];
  const decoder = workerMessageDecoder({ frameBytesMax: MIB, messageBytesMax: MIB });
  peer.on("message", (data: Buffer) => {
    frames.push(decoder.decode(data).messages.map((it) => nameOf(it)));
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  channel.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const nameOf = (message: WorkerMessage): string =>
  "attempt" in message ? `${message.kind} ${message.attempt}` : message.kind;
const suspend = (attempt: number) => ({ kind: "suspend", attempt, deliveries: 0 }) as const;
const attach = () =>
  channel.attach({ onMessage: () => undefined, onClose: (code) => closes.push(code) });

/** One turn of the event loop after the other, so many that whatever has left has arrived. */
async function turns(count: number, each: () => void = () => undefined): Promise<void> {
  for (let i = 0; i < count; i++) {
    each();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const ARRIVED = 200;

describe("a frame", () => {
  test("leaves when its turn is over, if no more is expected", async () => {
    channel.send(suspend(1));
    channel.send(suspend(2));
    await turns(ARRIVED);
    channel.send(suspend(3));
    await vi.waitFor(() => expect(frames).toEqual([["suspend 1", "suspend 2"], ["suspend 3"]]));
  });

  test("waits while more is expected, and takes along what comes", async () => {
    channel.send(suspend(1));
    await turns(ARRIVED, () => channel.expectMore?.());
    expect(frames).toEqual([]);
    channel.send(suspend(2));
    channel.expectMore?.();
    await turns(1);
    channel.send(suspend(3));
    await vi.waitFor(() => expect(frames).toEqual([["suspend 1", "suspend 2", "suspend 3"]]));
  });

  test("leaves after the hold at the latest, however much more is expected", async () => {
    channel.send(suspend(1));
    nowMs += HELD_MS_MAX - 0.1;
    await turns(ARRIVED, () => channel.expectMore?.());
    expect(frames).toEqual([]);
    nowMs += 0.1;
    await turns(10, () => channel.expectMore?.());
    // Whoever comes now begins another frame, with a hold of its own.
    channel.send(suspend(2));
    await turns(ARRIVED, () => channel.expectMore?.());
    expect(frames).toEqual([["suspend 1"]]);
    nowMs += HELD_MS_MAX;
    await turns(1, () => channel.expectMore?.());
    await vi.waitFor(() => expect(frames).toEqual([["suspend 1"], ["suspend 2"]]));
  });

  test("that is held leaves before the close of its connection", async () => {
    attach();
    channel.send(suspend(1));
    await turns(10, () => channel.expectMore?.());
    const closed = once(peer, "close");
    channel.expectMore?.();
    channel.close(1000, "done");
    expect(await closed).toMatchObject([1000, expect.anything()]);
    expect(frames).toEqual([["suspend 1"]]);
    await vi.waitFor(() => expect(closes).toEqual([1000]));
  });

  test("that is held as the connection is lost is lost with it, and nothing else is", async () => {
    attach();
    channel.send(suspend(1));
    const lost = turns(ARRIVED, () => channel.expectMore?.());
    peer.terminate();
    await lost;
    await vi.waitFor(() => expect(closes).toEqual([1006]));
    nowMs += HELD_MS_MAX;
    channel.send(suspend(2));
    await turns(ARRIVED);
    expect([frames, closes]).toEqual([[], [1006]]);
  });
});

describe("a chain of starts", () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const seed = new Uint8Array(16);
  const idOf = (sequence: number) =>
    formatInvocationId({ slot: 1, epoch: 1, sequence, tag: "12345678" });
  const common = { seed, createdAtMs: 0, headers: [], idempotencyKey: null, input: encode("1") };
  const followers = [2, 3, 4].map((attempt): Follower => ({
    attempt,
    invocationId: idOf(attempt),
    handler: "add",
    ...common,
  }));

  function serveChain(add: (ctx: ObjectContext) => Promise<unknown>): void {
    const counter = object({ name: "Counter", handlers: { add } });
    const more = { version: "dev", concurrency: 10, warn: () => undefined };
    const session = new WorkerSession({ services: [counter], channel, ...more });
    channel.attach(session);
    const messages: RuntimeMessage[] = [
      { kind: "welcome", protocol: 1, epoch: 1, connection: 1, inactivityTimeoutMs: 60_000, frameBytesMax: MIB, payloadBytesMax: MIB }, // prettier-ignore
      {
        kind: "start",
        attempt: 1,
        invocationId: idOf(1),
        target: { service: "Counter", handler: "add", key: "a" },
        attemptNumber: 1,
        ...common,
        state: { complete: true, entries: [] },
        commandCount: 0,
        deliveryCount: 0,
        followers,
      },
    ];
    for (const frame of encodeFrames(0, messages, MIB)) peer.send(frame);
  }

  test("says how all of them ended in one frame, and that as soon as the last one's turn is over", async () => {
    serveChain(() => Promise.resolve(1));
    await vi.waitFor(() => expect(frames).toEqual([["end 1", "end 2", "end 3", "end 4"]]));
  });

  test("does not keep an end back for a follower that takes its time", async () => {
    let count = 0;
    serveChain(() => (++count < 3 ? Promise.resolve(count) : new Promise(() => undefined)));
    await vi.waitFor(() => expect(frames).toEqual([["end 1", "end 2"]]));
  });
});
