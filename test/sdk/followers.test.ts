/** A worker that was sent a start with followers: who runs, when, on which state, and who never does. */
import { expect, test } from "vitest";
import type { Channel } from "../../protocol/channel.ts";
import { formatInvocationId } from "../../protocol/ids.ts";
import type { RuntimeMessage, Start, WorkerMessage } from "../../protocol/message.ts";
import { object, TerminalError } from "../../sdk/index.ts";
import type { ObjectContext } from "../../sdk/index.ts";
import { WorkerSession } from "../../sdk/worker/worker-session.ts";

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const WELCOME = {
  kind: "welcome",
  protocol: 1,
  epoch: 1,
  connection: 1,
  inactivityTimeoutMs: 60_000,
  frameBytesMax: 1_000_000,
  payloadBytesMax: 1_000_000,
} as const;

class World {
  readonly sent: WorkerMessage[] = [];
  readonly ran: string[] = [];
  readonly session: WorkerSession;
  /** What stops a handler in its first turn, by its input. */
  readonly stops = new Map<string, "fail" | "wait" | "terminal">();

  constructor() {
    const channel: Channel<WorkerMessage> = {
      send: (message) => void this.sent.push(message),
      bufferedBytes: () => 0,
      close: () => undefined,
    };
    const list = object({
      name: "list",
      handlers: {
        append: async (ctx: ObjectContext, input: string) => {
          this.ran.push(input);
          const before = (await ctx.get<string[]>("all")) ?? [];
          ctx.set("all", [...before, input]);
          ctx.clear("gone");
          const stop = this.stops.get(input);
          if (stop === "fail") throw new Error("no");
          if (stop === "wait") await ctx.sleep(1_000);
          if (stop === "terminal") await Promise.reject(new TerminalError("no"));
          // After its end nobody hears of it.
          setImmediate(() => ctx.set("all", ["late"]));
          return [...before, input];
        },
      },
    });
    this.session = new WorkerSession({
      services: [list],
      version: "v1",
      concurrency: 1,
      channel,
      warn: () => undefined,
    });
    this.session.sayHello();
    this.tell(WELCOME);
  }

  tell(message: RuntimeMessage): void {
    this.session.onMessage(message);
  }

  /** a leads, b, c and d follow. */
  start(): void {
    this.tell(startOf());
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) await new Promise((done) => setImmediate(done));
  }

  /** Attempt and kind of all that was said, without the commands. */
  get said(): string[] {
    return this.sent.flatMap((it) =>
      "attempt" in it && it.kind !== "command" ? [`${it.attempt} ${it.kind}`] : [],
    );
  }

  get results(): unknown[] {
    return this.sent.flatMap((it) =>
      it.kind === "end" && it.result.ok
        ? [JSON.parse(new TextDecoder().decode(it.result.value)) as unknown]
        : [],
    );
  }
}

function startOf(): Start {
  const one = (attempt: number, input: string) => ({
    attempt,
    invocationId: formatInvocationId({ slot: 1, epoch: 1, sequence: attempt, tag: "12345678" }),
    seed: new Uint8Array(16),
    createdAtMs: 0,
    headers: [],
    idempotencyKey: null,
    input: json(input),
  });
  const follower = (attempt: number, input: string) => ({
    ...one(attempt, input),
    handler: "append",
  });
  return {
    kind: "start",
    ...one(1, "a"),
    target: { service: "list", handler: "append", key: "k" },
    attemptNumber: 1,
    state: {
      complete: true,
      entries: [
        ["all", json(["0"])],
        ["gone", json(1)],
      ],
    },
    commandCount: 0,
    deliveryCount: 0,
    followers: [follower(2, "b"), follower(3, "c"), follower(4, "d")],
  };
}

test("each runs when the one before it has ended, on the state that it left", async () => {
  const world = new World();
  world.start();
  await world.settle();
  expect(world.said).toEqual(["1 end", "2 end", "3 end", "4 end"]);
  expect(world.results.at(-1)).toEqual(["0", "a", "b", "c", "d"]);
});

test("nothing is said for one before the end of the one before it", async () => {
  const world = new World();
  world.start();
  await world.settle();
  const order = world.sent.flatMap((it) => ("attempt" in it ? [it.attempt] : []));
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test("a failure that is the result counts as an end", async () => {
  const world = new World();
  world.stops.set("b", "terminal");
  world.start();
  await world.settle();
  expect(world.said).toEqual(["1 end", "2 end", "3 end", "4 end"]);
});

test("those behind one that failed never run", async () => {
  const world = new World();
  world.stops.set("b", "fail");
  world.start();
  await world.settle();
  expect(world.said).toEqual(["1 end", "2 fail"]);
  expect(world.ran).toEqual(["a", "b"]);
});

test("those behind one that was suspended never run", async () => {
  const world = new World();
  world.stops.set("b", "wait");
  world.start();
  await world.settle();
  world.tell({ kind: "make-room", attempts: 1 });
  await world.settle();
  expect(world.said).toEqual(["1 end", "2 suspend"]);
  expect(world.ran).toEqual(["a", "b"]);
});

test.each([
  ["the one before them", 2],
  ["the first of them", 3],
])("those behind an abort of %s never run", async (_, handle) => {
  const world = new World();
  world.stops.set("b", "wait");
  world.start();
  await world.settle();
  world.tell({ kind: "abort", attempt: handle, reason: "void" });
  const delivery = { kind: "completion", completionId: 1, result: { kind: "void" } } as const;
  world.tell({ kind: "deliver", attempt: 2, delivery });
  await world.settle();
  expect(world.ran).toEqual(["a", "b"]);
});

test("a worker that leaves, or has lost its connection, starts none", async () => {
  for (const leave of [
    (world: World) => void world.session.drain(),
    (world: World) => world.session.onClose(1006, "gone"),
  ]) {
    const world = new World();
    world.start();
    leave(world);
    await world.settle();
    expect(world.ran.filter((it) => it !== "a")).toEqual([]);
  }
});
