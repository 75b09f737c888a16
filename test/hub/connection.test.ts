import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CloseCode } from "../../protocol/channel.ts";
import { afterTurningFor } from "../../runtime/hub/turning-time.ts";
import { connect, go, hello, HubWorld, issue, turns, welcome } from "./support.ts";

const MIB = 1024 * 1024;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the life of a connection", () => {
  test("its messages are inputs in their order, with ordinals that count the hello", () => {
    const world = new HubWorld();
    connect(world).say(hello, issue(0), issue(1), { kind: "drain" });
    expect(world.inputs).toEqual([
      { kind: "worker-hello", connection: 1, hello },
      { kind: "worker-message", connection: 1, ordinal: 2, message: issue(0) },
      { kind: "worker-message", connection: 1, ordinal: 3, message: issue(1) },
      { kind: "worker-drain", connection: 1, ordinal: 4 },
    ]);
  });

  test("no number of a connection comes twice", () => {
    const world = new HubWorld();
    connect(world).handlers?.onClose(1006, "");
    connect(world).say(hello);
    connect(world).say(hello);
    expect(world.inputs.map((it) => "connection" in it && it.connection)).toEqual([2, 3]);
  });

  test("its loss is the last input, and comes once", () => {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(hello);
    channel.handlers?.onClose(1006, "gone");
    channel.handlers?.onClose(1006, "gone");
    channel.say(issue(0));
    world.hub.send(1, go(0));
    world.hub.close(1, 1000, "");
    expect(world.kinds()).toEqual(["worker-hello", "worker-lost"]);
    expect(channel.closes).toEqual([]);
  });

  test("one that never said hello is no loss", () => {
    const world = new HubWorld();
    connect(world).handlers?.onClose(1006, "gone");
    expect(world.inputs).toEqual([]);
  });

  test.each([
    ["something before the hello", [issue(0)], "the first message is a hello, not command", []],
    ["a second hello", [hello, hello], "a second hello", ["worker-hello", "worker-lost"]],
  ])("%s breaks the protocol", (_, messages, reason, kinds) => {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(...messages, issue(1));
    expect(channel.closes).toEqual([[CloseCode.protocolError, reason]]);
    expect(world.kinds()).toEqual(kinds);
  });

  test("without a hello it ends after five seconds; with one it stays", () => {
    const world = new HubWorld();
    const [silent, polite] = [connect(world), connect(world)];
    polite.say(hello);
    vi.advanceTimersByTime(4_999);
    expect(silent.closes).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(silent.closes).toEqual([[CloseCode.protocolError, "no hello within 5000 ms"]]);
    vi.advanceTimersByTime(3_600_000);
    expect(polite.closes).toEqual([]);
  });

  test("once it has its welcome it may get starts", () => {
    const world = new HubWorld();
    connect(world).say(hello);
    world.hub.send(1, welcome);
    expect(world.inputs.at(-1)).toEqual({
      kind: "worker-congestion",
      connection: 1,
      congested: false,
    });
    expect([world.hub.workersOf("v1"), world.hub.workersOf("v2")]).toEqual([1, 0]);
  });

  test("a hub that shuts down closes all, and whoever comes later", () => {
    const world = new HubWorld();
    const early = connect(world);
    early.say(hello);
    world.hub.shutdown();
    const late = connect(world);
    const goodbye = [CloseCode.goingAway, "the runtime is shutting down"];
    expect([early.closes, late.closes]).toEqual([[goodbye], [goodbye]]);
  });
});

describe("acknowledgements", () => {
  test("the highest one leaves, in the frame of what else is sent in its turn", async () => {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(hello);
    world.hub.send(1, { kind: "ack", upTo: 1 });
    world.hub.send(1, go(0));
    world.hub.send(1, { kind: "ack", upTo: 3 });
    world.hub.send(1, go(1));
    world.hub.send(1, { kind: "ack", upTo: 2 });
    await turns();
    expect(channel.frames).toEqual([[go(0), go(1), { kind: "ack", upTo: 3 }]]);
    vi.advanceTimersByTime(1_000);
    await turns();
    expect(channel.frames).toHaveLength(1);
  });

  test("alone it waits for company, for 50 ms", async () => {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(hello);
    world.hub.send(1, { kind: "ack", upTo: 1 });
    vi.advanceTimersByTime(30);
    world.hub.send(1, { kind: "ack", upTo: 2 });
    vi.advanceTimersByTime(19);
    await turns();
    expect(channel.frames).toEqual([]);
    vi.advanceTimersByTime(1);
    await turns();
    expect(channel.frames).toEqual([[{ kind: "ack", upTo: 2 }]]);
  });

  test("one that comes after the last message of a turn is not forgotten", async () => {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(hello);
    world.hub.send(1, go(0));
    await Promise.resolve();
    world.hub.send(1, { kind: "ack", upTo: 1 });
    await turns();
    vi.advanceTimersByTime(50);
    await turns();
    expect(channel.frames).toEqual([[go(0)], [{ kind: "ack", upTo: 1 }]]);
  });
});

describe("congestion", () => {
  async function congested(bytes: number): Promise<{
    world: HubWorld;
    channel: ReturnType<typeof connect>;
  }> {
    const world = new HubWorld();
    const channel = connect(world);
    channel.say(hello);
    world.hub.send(1, go(0));
    channel.buffered = bytes;
    await turns();
    return { world, channel };
  }
  const told = (world: HubWorld): boolean[] =>
    world.inputs.flatMap((it) => (it.kind === "worker-congestion" ? [it.congested] : []));

  test("begins above 4 MiB and ends below 1 MiB", async () => {
    const { world, channel } = await congested(4 * MIB + 1);
    expect(told(world)).toEqual([true]);
    channel.buffered = MIB;
    vi.advanceTimersByTime(500);
    expect(told(world)).toEqual([true]);
    channel.buffered = MIB - 1;
    vi.advanceTimersByTime(100);
    expect(told(world)).toEqual([true, false]);
    channel.buffered = 5 * MIB;
    world.hub.send(1, go(1));
    await turns();
    expect(told(world)).toEqual([true, false, true]);
  });

  test("does not begin at 4 MiB", async () => {
    expect(told((await congested(4 * MIB)).world)).toEqual([]);
  });

  test.each([
    [5 * MIB, 60_000],
    [33 * MIB, 5_000],
  ])("a worker that reads nothing of %i bytes is cut off after %i ms", async (bytes, ms) => {
    const { world, channel } = await congested(bytes);
    vi.advanceTimersByTime(ms - 100);
    expect(channel.closes).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(channel.closes).toEqual([
      [CloseCode.unresponsive, `${bytes} bytes unread, none read for ${ms} ms`],
    ]);
    expect(world.kinds().at(-1)).toBe("worker-lost");
  });

  test("a worker that reads slowly keeps its connection, however much there is to read", async () => {
    const { world, channel } = await congested(100 * MIB);
    for (let looks = 0; looks < 3_000; looks += 10) {
      channel.buffered += looks % 20 === 0 ? 1_000 : -1_001;
      vi.advanceTimersByTime(1_000);
    }
    expect(channel.closes).toEqual([]);
    expect(told(world)).toEqual([true]);
  });
});

test("a stall of this process is one tick, however long it takes", async () => {
  vi.useRealTimers();
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    afterTurningFor(100, () => {
      isOver = true;
      resolve();
    });
  });
  const until = performance.now() + 300;
  while (performance.now() < until);
  await turns(1);
  expect(isOver).toBe(false);
  await over;
});

test("called off, turning time calls nobody", () => {
  const over = vi.fn();
  const stop = afterTurningFor(100, over);
  vi.advanceTimersByTime(99);
  stop();
  vi.advanceTimersByTime(1_000);
  expect(over).not.toHaveBeenCalled();
});
