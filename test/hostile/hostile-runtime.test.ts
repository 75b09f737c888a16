/**
 * A worker of the SDK whose runtime means ill, or is broken: it closes the connection with a code,
 * starts nothing that came behind, dials again, and serves the next runtime that is sound.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import { CloseCode } from "../../protocol/channel.ts";
import { encodeFrames, workerMessageDecoder, type FrameDecoder } from "../../protocol/codec.ts";
import { formatInvocationId } from "../../protocol/ids.ts";
import type { RuntimeMessage, Start, WorkerMessage } from "../../protocol/message.ts";
import { packValue } from "../../protocol/pack.ts";
import { service } from "../../sdk/define.ts";
import { serve, type Worker } from "../../sdk/worker/serve.ts";
import { Random } from "../simulation/random.ts";
import { effort, report, SEED } from "./effort.ts";
import { bomb, damaged, frameCorpus, noise } from "./frame-generator.ts";

const MIB = 1024 * 1024;
const WELCOME = { kind: "welcome", protocol: 1, epoch: 1, connection: 1, inactivityTimeoutMs: 60_000, frameBytesMax: MIB, payloadBytesMax: MIB } as const; // prettier-ignore
const HI = new TextEncoder().encode('"hi"');
const counts = { connections: 0, "hostile frames": 0 };
afterAll(() => report("a worker", counts));

let started = 0;
const echo = service({
  name: "Echo",
  handlers: {
    echo: (_: unknown, input: string): Promise<string> => {
      started++;
      return Promise.resolve(input);
    },
  },
});

/** One connection of the worker, as the hostile runtime sees it. */
class Link {
  readonly heard: WorkerMessage[] = [];
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #decoder: FrameDecoder<WorkerMessage> = workerMessageDecoder({ frameBytesMax: MIB, messageBytesMax: 4 * MIB }); // prettier-ignore
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("message", (data: RawData) => {
      this.heard.push(...this.#decoder.decode(data as Buffer).messages);
      this.#wake();
    });
    this.closed = once(socket, "close").then(([code]) => Number(code));
  }

  say(...messages: readonly RuntimeMessage[]): void {
    for (const frame of encodeFrames(0, messages, MIB)) this.#socket.send(frame);
  }

  sayBytes(bytes: Uint8Array | string): void {
    this.#socket.send(bytes);
  }

  /** Resolves with the first message like this. */
  async hears(kind: WorkerMessage["kind"], attempt?: number): Promise<WorkerMessage> {
    const fits = (it: WorkerMessage): boolean =>
      it.kind === kind && (attempt === undefined || ("attempt" in it && it.attempt === attempt));
    for (;;) {
      const found = this.heard.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

let server: WebSocketServer;
let worker: Worker | undefined;
const links: Link[] = [];
let onLink: (link: Link) => void = () => undefined;

beforeEach(async () => {
  started = 0;
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    counts.connections++;
    const link = new Link(socket);
    links.push(link);
    onLink(link);
  });
  await once(server, "listening");
});
afterEach(async () => {
  await worker?.close();
  worker = undefined;
  links.length = 0;
  onLink = () => undefined;
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const nextLink = (): Promise<Link> => new Promise((resolve) => (onLink = resolve));

/** The worker, connected and welcomed. */
async function welcomed(): Promise<Link> {
  const { port } = server.address() as AddressInfo; // a TCP server's
  const first = nextLink();
  const serving = serve({ services: [echo], url: `ws://127.0.0.1:${port}`, concurrency: 5 });
  const link = await first;
  await link.hears("hello");
  link.say(WELCOME);
  worker = await serving;
  return link;
}

function startOf(attempt: number, more: Partial<Start> = {}): Start {
  return {
    kind: "start",
    attempt,
    invocationId: formatInvocationId({ slot: 1, epoch: 1, sequence: attempt, tag: "12345678" }),
    target: { service: "Echo", handler: "echo", key: null },
    attemptNumber: 1,
    seed: new Uint8Array(16),
    createdAtMs: 0,
    headers: [],
    idempotencyKey: null,
    input: HI,
    state: { complete: true, entries: [] },
    commandCount: 0,
    deliveryCount: 0,
    followers: [],
    ...more,
  };
}

/** It serves whoever behaves. */
async function expectServes(link: Link): Promise<void> {
  link.say(startOf(1_000));
  expect(await link.hears("end", 1_000)).toMatchObject({ result: { ok: true, value: HI } });
}

describe("a frame that breaks the protocol", () => {
  test.each<[string, Uint8Array | string, number]>([
    ["is noise", Uint8Array.of(0xc1, 1, 2, 3), CloseCode.protocolError],
    ["is text", "hello", CloseCode.protocolError],
    ["is empty", new Uint8Array(0), CloseCode.protocolError],
    ["is a message of a worker", packValue([0, [8]]), CloseCode.protocolError],
    ["claims four billion items", Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), CloseCode.protocolError], // prettier-ignore
    ["is larger than the welcome says", new Uint8Array(MIB + 1), CloseCode.tooLarge],
  ])("%s: the worker closes, dials again and serves", async (_, bytes, code) => {
    const link = await welcomed();
    const again = nextLink();
    link.sayBytes(bytes);
    expect(await link.closed).toBe(code);
    const next = await again;
    await next.hears("hello");
    next.say(WELCOME);
    await expectServes(next);
  });

  /**
   * The channel handed over what came behind a frame that it had refused, to a session that was over:
   * an attempt started on a connection that the runtime had given up. Found by reading.
   */
  test.each([
    ["text", "hello"],
    ["no message", packValue([0, [8]])],
  ])("(%s) is the last that is looked at: nothing behind it starts", async (_, bytes) => {
    const link = await welcomed();
    const again = nextLink();
    link.sayBytes(bytes);
    link.say(startOf(1), startOf(2));
    await link.closed;
    await (await again).hears("hello");
    expect(started).toBe(0);
  });
});

describe("messages that are well-formed and wrong", () => {
  const failure = { name: "Error", message: "no", code: 500 };
  const completion = { kind: "completion", completionId: 7, result: { kind: "void" } } as const;
  const command = { kind: "awakeable", index: 0, after: 0, outside: false, name: "", completionId: 1 } as const; // prettier-ignore
  test.each<[string, readonly RuntimeMessage[]]>([
    ["for attempts that are not there", [
      { kind: "deliver", attempt: 77, delivery: completion },
      { kind: "go", attempt: 77, command: 0, try: 1, probe: false },
      { kind: "abort", attempt: 77, reason: "x" },
      { kind: "replay", attempt: 77, entries: [{ kind: "command", command }] },
      { kind: "state", attempt: 77, entries: [["x", Uint8Array.of(1)]] },
    ]],
    ["state of a service, the same name twice, text that is not JSON", [
      startOf(5),
      { kind: "state", attempt: 5, entries: [["x", Uint8Array.of(0xff)], ["x", Uint8Array.of(1)], ["", new Uint8Array(0)]] },
    ]],
    ["a start of nobody's handler", [startOf(5, { target: { service: "No", handler: "no", key: null } })]],
    ["a start of an inherited name", [startOf(5, { target: { service: "Echo", handler: "constructor", key: null } })]],
    ["an input that cannot be read", [startOf(5, { input: Uint8Array.of(0xff) })]],
    ["a journal that the code does not match", [
      startOf(5, { commandCount: 1 }),
      { kind: "replay", attempt: 5, entries: [{ kind: "command", command }] },
    ]],
    ["more of a journal than was announced", [
      startOf(5, { deliveryCount: 1 }),
      { kind: "replay", attempt: 5, entries: [{ kind: "delivery", delivery: completion }, { kind: "delivery", delivery: { kind: "cancellation" } }] },
    ]],
    ["completions of what was never asked", [startOf(5), { kind: "deliver", attempt: 5, delivery: completion }, { kind: "go", attempt: 5, command: 9, try: 4, probe: false }]],
    ["the same handle twice", [startOf(5), startOf(5)]],
    ["room for four billion, acknowledgements of the future", [{ kind: "make-room", attempts: 4_000_000_000 }, { kind: "ack", upTo: 2 ** 53 - 1 }]],
    ["a second welcome", [WELCOME]],
    ["a signal of nobody", [startOf(5), { kind: "deliver", attempt: 5, delivery: { kind: "signal", signal: "s", result: { ok: false, failure } } }]],
  ])("%s: the worker lives and serves", async (_, messages) => {
    const link = await welcomed();
    const again = nextLink();
    link.say(...messages);
    // Either it goes on over this connection, or it gave it up and comes back.
    link.say(startOf(1_000));
    const serving = await Promise.race([
      link.hears("end", 1_000).then(() => link),
      link.closed.then(async () => {
        const next = await again;
        await next.hears("hello");
        next.say(WELCOME);
        return next;
      }),
    ]);
    await expectServes(serving);
  }); // prettier-ignore
});

test("hostile frames from a seed: each connection ends or goes on, and the worker comes back", async () => {
  const random = new Random(SEED, "hostile runtime");
  const corpus = frameCorpus("runtime", SEED, random);
  let link = await welcomed();
  for (let left = effort("FUZZ_RUNTIMES", 12); left > 0; left--) {
    const again = nextLink();
    for (let i = random.int(1, 40); i > 0; i--) {
      counts["hostile frames"]++;
      const frame = random.pick([noise, bomb, (it: Random) => damaged(it, corpus)])(random);
      link.sayBytes(frame);
    }
    link.sayBytes(Uint8Array.of(0xc1));
    await link.closed;
    link = await again;
    await link.hears("hello");
    link.say(WELCOME);
  }
  await expectServes(link);
});
