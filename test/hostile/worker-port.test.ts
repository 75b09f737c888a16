/**
 * Workers that say what is well-formed and wrong, over real WebSockets to a whole runtime: each gets
 * the close code that the protocol documents, or is ignored. Nobody else notices, and no row comes of
 * it. `FUZZ_CONNECTIONS` sets how many generated ones there are.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloseCode } from "../../protocol/channel.ts";
import type { Command } from "../../protocol/command.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import type { Start, WorkerMessage } from "../../protocol/message.ts";
import { Random } from "../simulation/random.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { bytes, handler, serviceOf, type CommandBody } from "../support/core-harness.ts";
import { removeTemporaryDirectories } from "../support/temporary-directory.ts";
import { BarePeer, helloOf } from "./bare-peer.ts";
import { effort, report, SEED } from "./effort.ts";
import { HOSTILE_SERVICES, HostileWorker, messageCorpus } from "./hostile-worker.ts";
import { openRuntime, type OpenRuntime } from "./open-runtime.ts";

const HONEST = [serviceOf("Honest", "object", [handler("add", "exclusive")])];
const OK = { ok: true, value: bytes("1") } as const;
const FAILURE = { name: "Error", message: "boom", code: 500 } as const;

const counts = { "sequences by hand": 0, "generated connections": 0, messages: 0 };
let runtime: OpenRuntime;
let honest: BarePeer;
let answered = 0;

beforeAll(async () => {
  runtime = await openRuntime();
  honest = await BarePeer.register(runtime.workerUrl, HONEST, { version: "honest" });
  serveHonestly(honest);
});
afterAll(async () => {
  report("the worker port", counts);
  const { fatal, errors } = runtime;
  await runtime.close();
  await removeTemporaryDirectories();
  expect(fatal).toEqual([]);
  expect(errors).toEqual([]);
});

/** Answers every start with an end, as long as it lives. */
function serveHonestly(peer: BarePeer): void {
  let seen = 0;
  peer.socket.on("message", () => {
    const starts = peer.heard.filter((it) => it.kind === "start");
    for (const { attempt } of starts.slice(seen)) peer.say({ kind: "end", attempt, result: OK });
    seen = starts.length;
  });
}

async function expectOthersServed(): Promise<void> {
  const url = `${runtime.ingress.url}/Honest/key${answered % 5}/add`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: "1" });
  expect([answer.status, await answer.text()]).toEqual([200, "1"]);
  answered++;
  expect(honest.over).toBe(false);
  expect(runtime.fatal).toEqual([]);
}

async function invokeBad(path = "Bad/go"): Promise<InvocationId> {
  const url = `${runtime.ingress.url}/restate/send/${path}`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: "1" });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { invocationId: InvocationId }).invocationId;
}

/** A registered peer with a live attempt. */
async function withAttempt(path = "Bad/go"): Promise<{ peer: BarePeer; start: Start }> {
  const peer = await BarePeer.register(runtime.workerUrl, HOSTILE_SERVICES);
  await invokeBad(path);
  return { peer, start: await peer.hears("start") };
}

function command(start: Start, body: CommandBody, place: Partial<Command> = {}): WorkerMessage {
  const base = { index: 0, after: 0, outside: false, name: "" };
  // A body and what all commands have in common is a command.
  return { kind: "command", attempt: start.attempt, command: { ...base, ...body, ...place } as Command }; // prettier-ignore
}

const end = ({ attempt }: Start): WorkerMessage => ({ kind: "end", attempt, result: OK });

/** Nothing is left that waits for a worker of the hostile services. */
async function endAll(): Promise<void> {
  const sweeper = await BarePeer.register(runtime.workerUrl, HOSTILE_SERVICES);
  serveHonestly(sweeper);
  for (const message of sweeper.heard) if (message.kind === "start") sweeper.say(end(message));
  await sweeper.roundTrip();
  await runtime.loop.idle();
  sweeper.leave();
  await sweeper.closed;
}

describe("closed with 4400", () => {
  type Says = (peer: BarePeer, start: Start) => void;
  test.each<[string, Says]>([
    ["a gap in the commands", (peer, start) => peer.say(command(start, { kind: "clear-all-state" }, { index: 1 }))], // prettier-ignore
    ["a command twice", (peer, start) => peer.say(...[1, 2].map((completionId) => command(start, { kind: "awakeable", completionId })))], // prettier-ignore
    ["a command from a turn that is not there", (peer, start) => peer.say(command(start, { kind: "awakeable", completionId: 1 }, { after: 1 }))], // prettier-ignore
    ["a completion id twice", (peer, start) => peer.say(...[0, 1].map((index) => command(start, { kind: "awakeable", completionId: 1 }, { index })))], // prettier-ignore
    ["a completion id that is smaller", (peer, start) => peer.say(...[0, 1].map((index) => command(start, { kind: "awakeable", completionId: 9 - index }, { index })))], // prettier-ignore
    ["state written by a service", (peer, start) => peer.say(command(start, { kind: "set-state", key: "a", value: bytes("1") }))], // prettier-ignore
    ["a second hello", (peer) => peer.say(helloOf(HOSTILE_SERVICES))],
    ["a second hello of another version", (peer) => peer.say(helloOf([], { version: "other" }))],
    ["a message of the runtime", (peer, start) => peer.sayPlain([37, start.attempt, 0, 1])],
    ["an acknowledgement from the wrong side", (peer) => peer.sayPlain([39, 1])],
    ["a text frame", (peer) => peer.socket.send("hello")],
    ["something between two pieces", (peer) => {
      peer.sayPlain(false, new Uint8Array(2_000));
      peer.say({ kind: "drain" });
    }], // prettier-ignore
  ])("%s", async (_, says) => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    await runtime.loop.idle();
    says(peer, start);
    const { code, reason } = await peer.closed;
    expect(code).toBe(CloseCode.protocolError);
    expect(reason).toMatch(/^[ -~]{5,123}$/);
    await expectOthersServed();
    await endAll();
    expect(brokenReferences(runtime.store)).toEqual([]);
  });

  test.each<[string, WorkerMessage]>([
    ["a drain", { kind: "drain" }],
    ["an end", { kind: "end", attempt: 1, result: OK }],
    [
      "a result of a run",
      { kind: "run-result", attempt: 1, command: 0, try: 1, result: OK, deliveries: null },
    ],
  ])("%s before the hello", async (_, message) => {
    counts["sequences by hand"]++;
    const before = await settledRows();
    const peer = await BarePeer.dial(runtime.workerUrl);
    peer.say(message);
    expect((await peer.closed).code).toBe(CloseCode.protocolError);
    expect(await settledRows()).toEqual(before);
    await expectOthersServed();
  });

  test("state written by a shared handler", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt("BadObject/k/look");
    peer.say(command(start, { kind: "clear-all-state" }));
    expect((await peer.closed).code).toBe(CloseCode.protocolError);
    await expectOthersServed();
    await endAll();
  });
});

describe("closed with 4409", () => {
  test.each<[string, Parameters<typeof helloOf>]>([
    ["another kind of a known service", [[serviceOf("Honest", "service", [handler("add", "stateless")])]]], // prettier-ignore
    ["another mode of a known handler", [[serviceOf("Honest", "object", [handler("add", "shared")])], { version: "honest" }]], // prettier-ignore
    ["a name that is taken", [[serviceOf("restate", "service", [handler("x", "stateless")])]]],
    ["another protocol", [[], { protocol: 2 }]],
  ])("%s", async (_, [services, more]) => {
    counts["sequences by hand"]++;
    const before = await settledRows();
    const peer = await BarePeer.dial(runtime.workerUrl);
    // What comes behind a hello that is refused is not even looked at.
    peer.say(helloOf(services, more), { kind: "drain" }, { kind: "end", attempt: 1, result: OK });
    expect((await peer.closed).code).toBe(CloseCode.refused);
    expect(peer.heard.map((it) => it.kind)).toEqual(["refused"]);
    expect(await settledRows()).toEqual(before);
    await expectOthersServed();
  });
});

describe("closed with 4413", () => {
  test.each<[string, (peer: BarePeer) => void]>([
    ["more values than a frame may hold", (peer) => peer.sayPlain(...Array<number[]>(40_000).fill([8]))], // prettier-ignore
    ["a manifest beyond its limit", (peer) => {
      const text = " ".repeat(1024 * 1024 + 1);
      const packed = Buffer.concat([Buffer.from([0x96, 1, 1, 0xa1, 0x61, 1, 0xa1, 0x62, 0xdb]), u32(text.length), Buffer.from(text)]); // prettier-ignore
      for (let at = 0; at < packed.length; at += 60_000) {
        peer.sayPlain(at + 60_000 >= packed.length, packed.subarray(at, at + 60_000));
      }
    }], // prettier-ignore
  ])("%s", async (_, says) => {
    counts["sequences by hand"]++;
    const before = await settledRows();
    const peer = await BarePeer.dial(runtime.workerUrl);
    says(peer);
    expect((await peer.closed).code).toBe(CloseCode.tooLarge);
    expect(await settledRows()).toEqual(before);
    await expectOthersServed();
  });
});

const u32 = (value: number): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(value);
  return head;
};

/** The rows once everything that was said has been made durable. */
async function settledRows(): Promise<ReadonlyMap<string, string>> {
  await runtime.loop.idle();
  return runtime.rows();
}

describe("ignored, and no row comes of it", () => {
  type Says = (start: Start) => WorkerMessage[];
  test.each<[string, Says]>([
    ["a result for a run that was never issued", ({ attempt }) => [{ kind: "run-result", attempt, command: 0, try: 1, result: OK, deliveries: null }]], // prettier-ignore
    ["a failure for a run that was never issued", ({ attempt }) => [{ kind: "run-failed", attempt, command: 7, try: 1, failure: FAILURE, retryAfterMs: null }]], // prettier-ignore
    ["an end of a handle that was never given", () => [{ kind: "end", attempt: 4_000_000, result: OK }]], // prettier-ignore
    ["a command for a handle that was never given", (start) => [command({ ...start, attempt: 999 }, { kind: "awakeable", completionId: 1 })]], // prettier-ignore
    ["a suspension of a handle that was never given", () => [{ kind: "suspend", attempt: 77, deliveries: 4_000_000_000 }]], // prettier-ignore
    ["a failure of a handle that was never given", () => [{ kind: "fail", attempt: 77, failure: FAILURE, stack: "", command: null, retryAfterMs: 2 ** 53 - 1 }]], // prettier-ignore
    ["a drain, and another one", () => [{ kind: "drain" }, { kind: "drain" }]],
  ])("%s", async (_, says) => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    const before = await settledRows();
    peer.say(...says(start));
    await peer.roundTrip();
    expect(await settledRows()).toEqual(before);
    expect(peer.over).toBe(false);
    await expectOthersServed();
    peer.say(end(start));
    await peer.roundTrip();
    peer.leave();
    await peer.closed;
    await endAll();
  });

  test("a second end, and everything else after the end", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt("BadObject/k/change");
    const { attempt } = start;
    peer.say(end(start));
    await peer.roundTrip();
    const before = await settledRows();
    peer.say(
      { kind: "end", attempt, result: { ok: false, failure: FAILURE } },
      command(start, { kind: "set-state", key: "late", value: bytes("1") }),
      command(start, { kind: "awakeable", completionId: 1 }),
      { kind: "run-result", attempt, command: 0, try: 1, result: OK, deliveries: null },
      { kind: "suspend", attempt, deliveries: 0 },
      { kind: "fail", attempt, failure: FAILURE, stack: "", command: 0, retryAfterMs: 0 },
    );
    await peer.roundTrip();
    expect(await settledRows()).toEqual(before);
    expect(peer.over).toBe(false);
    peer.leave();
    await expectOthersServed();
  });

  test("the handle of another connection", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    const other = await BarePeer.register(runtime.workerUrl, HOSTILE_SERVICES);
    const before = await settledRows();
    other.say(
      command(start, { kind: "awakeable", completionId: 1 }),
      { kind: "fail", attempt: start.attempt, failure: FAILURE, stack: "", command: null, retryAfterMs: null }, // prettier-ignore
      end(start),
    );
    await other.roundTrip();
    expect(await settledRows()).toEqual(before);
    expect(other.over).toBe(false);
    peer.say(end(start));
    await peer.roundTrip();
    for (const it of [peer, other]) it.leave();
    await expectOthersServed();
  });

  test("a go that is answered twice", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    const { attempt } = start;
    peer.say(command(start, { kind: "run", mode: "at-least-once", retry: null, completionId: 1 }));
    const go = await peer.hears("go");
    const result = {
      kind: "run-result",
      attempt,
      command: 0,
      try: go.try,
      result: OK,
      deliveries: null,
    } as const;
    peer.say(result);
    expect((await peer.hears("deliver")).delivery).toMatchObject({ completionId: 1 });
    const before = await settledRows();
    peer.say(result, { ...result, try: 2 }, { kind: "run-failed", attempt, command: 0, try: 1, failure: FAILURE, retryAfterMs: null }); // prettier-ignore
    await peer.roundTrip();
    expect(await settledRows()).toEqual(before);
    peer.say(end(start));
    await peer.roundTrip();
    peer.leave();
    await expectOthersServed();
  });

  test("commands go on after a drain; new work stays away", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    peer.say({ kind: "drain" }, command(start, { kind: "date", completionId: 1 }));
    expect((await peer.hears("deliver")).attempt).toBe(start.attempt);
    await invokeBad();
    await runtime.loop.idle();
    expect(peer.heard.filter((it) => it.kind === "start")).toHaveLength(1);
    peer.say(end(start));
    await peer.roundTrip();
    peer.leave();
    await endAll();
    await expectOthersServed();
  });

  test("a suspension that claims more deliveries than there were waits for the next one", async () => {
    counts["sequences by hand"]++;
    const { peer, start } = await withAttempt();
    peer.say(command(start, { kind: "sleep", durationMs: 1, completionId: 1 }), {
      kind: "suspend",
      attempt: start.attempt,
      deliveries: 4_000_000_000,
    });
    const again = await peer.hears("start", 2);
    expect(again.invocationId).toBe(start.invocationId);
    peer.say(end(again));
    await peer.roundTrip();
    peer.leave();
    await endAll();
  });
});

describe("generated", () => {
  const total = effort("FUZZ_CONNECTIONS", 300);
  const corpus = messageCorpus(SEED);
  const PATHS = ["Bad/go", "BadObject/a/change", "BadObject/a/look", "BadFlow/w/run", "BadFlow/w/side"]; // prettier-ignore

  /** What the documentation lets a runtime close a worker with. */
  const CODES = new Set<number>([CloseCode.protocolError, CloseCode.refused, CloseCode.tooLarge]);

  async function connectionOf(seed: number): Promise<void> {
    const random = new Random(seed, "worker port");
    const ids: InvocationId[] = [];
    const worker = new HostileWorker(random, ids, corpus);
    const peer = await BarePeer.dial(runtime.workerUrl, (message) => worker.hear(message));
    if (random.chance(0.95)) {
      peer.say(helloOf(HOSTILE_SERVICES, { concurrency: random.int(1, 20) }));
      await peer.hears("welcome");
    }
    for (let round = random.int(1, 12); round > 0 && !peer.over; round--) {
      if (random.chance(0.4)) ids.push(await invokeBad(random.pick(PATHS)));
      const messages = Array.from({ length: random.int(1, 5) }, () => worker.next());
      counts.messages += messages.length;
      peer.say(...messages);
      await peer.roundTrip();
    }
    if (peer.over) {
      const { code } = await peer.closed;
      if (!CODES.has(code)) throw new Error(`seed ${seed}: closed with ${code}`);
    }
    peer.leave();
    counts["generated connections"]++;
  }

  test("workers of any kind leave the others served and every row where it belongs", async () => {
    await expectOthersServed();
    await runtime.loop.idle();
    const honestState = (): [string, string][] =>
      [...runtime.rows()].filter((row) => row.join().includes("Honest"));
    const before = honestState();
    for (let i = 0; i < total; i++) {
      const seed = SEED * 1_000_000 + i;
      await connectionOf(seed);
      if (runtime.fatal.length > 0) throw new Error(`seed ${seed}`, { cause: runtime.fatal[0] });
      if (i % 10 !== 9) continue;
      await runtime.loop.idle();
      expect(brokenReferences(runtime.store), `up to seed ${seed}`).toEqual([]);
    }
    expect(honestState()).toEqual(before);
    await expectOthersServed();
  });
});
