/**
 * Peers that are slow, silent or do not read: the runtime lets go of them as its constants say, and
 * holds no more for them than that. The hub alone under a clock of ours; then real sockets.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseCode, type Channel, type ChannelHandlers } from "../../protocol/channel.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import type { Input } from "../../runtime/core/input.ts";
import { createHub, type Hub } from "../../runtime/hub/hub.ts";
import { createLog } from "../../runtime/log.ts";
import { bytes } from "../support/core-harness.ts";
import { removeTemporaryDirectories } from "../support/temporary-directory.ts";
import { BarePeer, helloOf } from "./bare-peer.ts";
import { HOSTILE_SERVICES } from "./hostile-worker.ts";
import { openRuntime, type OpenRuntime } from "./open-runtime.ts";
import { dialRaw } from "./raw-worker.ts";

const MIB = 1024 * 1024;
const DRAIN = { kind: "drain" } as const;
const ABORT = { kind: "abort", attempt: 1, reason: "" } as const;
const WELCOME = { kind: "welcome", protocol: 1, epoch: 1, connection: 1, inactivityTimeoutMs: 1, frameBytesMax: MIB, payloadBytesMax: MIB } as const; // prettier-ignore

class SlowChannel implements Channel<RuntimeMessage> {
  readonly sent: RuntimeMessage[] = [];
  readonly closes: number[] = [];
  buffered = 0;
  reading = true;

  send(message: RuntimeMessage): void {
    this.sent.push(message);
  }
  bufferedBytes(): number {
    return this.buffered;
  }
  setReading(reading: boolean): void {
    this.reading = reading;
  }
  close(code: number): void {
    this.closes.push(code);
  }
}

describe("the hub", () => {
  let hub: Hub;
  let channel: SlowChannel;
  let worker: ChannelHandlers<WorkerMessage>;
  let inputs: Input[];

  beforeEach(() => {
    vi.useFakeTimers();
    inputs = [];
    hub = createHub({ submit: (input) => inputs.push(input), log: createLog("silent") });
    channel = new SlowChannel();
    worker = hub.accept(channel);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function register(): void {
    worker.onMessage(helloOf([]));
    hub.send(1, WELCOME);
    inputs.length = 0;
  }

  test("lets go of a peer that says no hello", () => {
    vi.advanceTimersByTime(4_999);
    expect(channel.closes).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(channel.closes).toEqual([CloseCode.protocolError]);
    expect(inputs).toEqual([]);
  });

  test("gives no new starts to a worker that reads slowly, until it has caught up", () => {
    register();
    channel.buffered = 4 * MIB;
    hub.send(1, ABORT);
    expect(inputs).toEqual([{ kind: "worker-congestion", connection: 1, congested: true }]);
    channel.buffered = MIB + 1;
    vi.advanceTimersByTime(1_000);
    expect(inputs).toHaveLength(1);
    channel.buffered = MIB;
    vi.advanceTimersByTime(100);
    expect(inputs.at(-1)).toEqual({ kind: "worker-congestion", connection: 1, congested: false });
    vi.advanceTimersByTime(120_000);
    expect(channel.closes).toEqual([]);
  });

  test("lets go of a worker for which 32 MiB lie unread, and its attempts are lost", () => {
    register();
    channel.buffered = 33 * MIB;
    hub.send(1, ABORT);
    vi.advanceTimersByTime(100);
    expect(channel.closes).toEqual([CloseCode.unresponsive]);
    expect(inputs.at(-1)).toMatchObject({ kind: "worker-lost", connection: 1 });
    hub.send(1, ABORT);
    worker.onMessage(DRAIN);
    expect(inputs.at(-1)).toMatchObject({ kind: "worker-lost", connection: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("lets go of a worker that stays behind for a minute", () => {
    register();
    channel.buffered = 5 * MIB;
    hub.send(1, ABORT);
    vi.advanceTimersByTime(60_000);
    expect(channel.closes).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(channel.closes).toEqual([CloseCode.unresponsive]);
  });

  /**
   * Acknowledgements were the one thing whose reading nobody watched: a worker that said things for
   * ever and read nothing made the runtime keep them for ever. Found by reading.
   */
  test("lets go of a worker that talks and reads nothing, not even acknowledgements", () => {
    register();
    channel.buffered = 33 * MIB;
    worker.onMessage(DRAIN);
    hub.send(1, { kind: "ack", upTo: 2 });
    vi.advanceTimersByTime(150);
    expect(channel.closes).toEqual([CloseCode.unresponsive]);
  });

  /**
   * Ten megabytes of two-byte messages became a gigabyte of inputs that waited for the loop, and half
   * a minute in which nobody else was served. Found by test/hostile/flooding-peers.test.ts.
   */
  test("reads no more from a worker with many messages under way, until they are durable", () => {
    register();
    for (let i = 0; i < 16_383; i++) worker.onMessage(DRAIN);
    expect(channel.reading).toBe(true);
    worker.onMessage(DRAIN);
    expect(channel.reading).toBe(false);
    hub.send(1, { kind: "ack", upTo: 12_000 });
    expect(channel.reading).toBe(false);
    hub.send(1, { kind: "ack", upTo: 12_290 });
    expect(channel.reading).toBe(true);
    expect(channel.closes).toEqual([]);
  });
});

describe("over sockets", () => {
  let runtime: OpenRuntime;

  afterEach(async () => {
    await runtime.close();
    await removeTemporaryDirectories();
    expect(runtime.fatal).toEqual([]);
    expect(runtime.errors).toEqual([]);
  });

  async function statuses(): Promise<string[]> {
    const answer = await fetch(`${runtime.admin.url}/invocations?service=Bad&limit=1000`);
    const body = (await answer.json()) as { invocations: { status: string }[] };
    return body.invocations.map((it) => it.status);
  }

  test("a worker that reads nothing gets a bounded part of the work; another one gets the rest", async () => {
    runtime = await openRuntime();
    const stalled = await BarePeer.register(runtime.workerUrl, HOSTILE_SERVICES, {
      concurrency: 1_000,
    });
    stalled.socket.pause();
    const total = 80;
    const body = new Uint8Array(MIB).fill(0x20);
    const headers = { "content-type": "application/json" };
    for (let i = 0; i < total; i++) {
      const url = `${runtime.ingress.url}/restate/send/Bad/go`;
      expect((await fetch(url, { method: "POST", headers, body })).status).toBe(202);
    }
    await runtime.loop.idle();
    const waiting = (await statuses()).filter((it) => it === "ready").length;
    // Four mebibytes in this process, and what the kernel keeps between two sockets.
    expect(waiting).toBeGreaterThan(total / 2);

    const other = await BarePeer.register(runtime.workerUrl, HOSTILE_SERVICES);
    const ends = endAll(other);
    await other.hears("start", waiting);
    stalled.leave();
    await other.hears("start", total);
    ends();
    await other.roundTrip();
    await runtime.loop.idle();
    expect(await statuses()).toEqual(Array<string>(total).fill("completed"));
    other.leave();
  });

  /** Ends every attempt as it starts; call it once more for those that came last. */
  function endAll(peer: BarePeer): () => void {
    let seen = 0;
    const look = (): void => {
      const starts = peer.heard.filter((it) => it.kind === "start");
      const result = { ok: true, value: bytes("1") } as const;
      for (const { attempt } of starts.slice(seen)) peer.say({ kind: "end", attempt, result });
      seen = starts.length;
    };
    peer.socket.on("message", look);
    return look;
  }

  test("a worker that answers no ping is let go of", async () => {
    runtime = await openRuntime({ workerTimeoutMs: 90 });
    const socket = await dialRaw(runtime.workerUrl);
    socket.resume();
    await once(socket, "close");
    expect(runtime.hub.workersOf("hostile")).toBe(0);
  });

  test("half a request to the worker port is let go of", async () => {
    runtime = await openRuntime({
      headersTimeoutMs: 60,
      requestTimeoutMs: 60,
      checkIntervalMs: 20,
    });
    const socket = connect(Number(new URL(runtime.workerUrl).port), "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write("GET / HTTP/1.1\r\nhost: worker\r\nupg");
    await once(socket, "close");
    expect(socket.destroyed).toBe(true);
  });

  test("a request to the worker port that is no WebSocket is answered", async () => {
    runtime = await openRuntime();
    const answer = await fetch(runtime.workerUrl.replace("ws:", "http:"));
    expect(answer.status).toBe(426);
  });

  test("before the hello no frame is larger than 64 KiB", async () => {
    runtime = await openRuntime();
    const peer = await BarePeer.dial(runtime.workerUrl);
    peer.sayPlain([1, 1, "v", 1, "x".repeat(65_536), "{}"]);
    expect(await peer.closed).toMatchObject({ code: CloseCode.tooLarge });
  });
});
