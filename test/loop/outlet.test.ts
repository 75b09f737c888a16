import { beforeEach, describe, expect, test } from "vitest";
import type { Effect } from "../../runtime/core/effect.ts";
import { Outlet } from "../../runtime/outlet.ts";

let nowMs = 1_000;
let performed: string[] = [];
let outlet = new Outlet(
  () => undefined,
  () => nowMs,
);

beforeEach(() => {
  nowMs = 1_000;
  performed = [];
  outlet = new Outlet(
    (effect) => performed.push(nameOf(effect)),
    () => nowMs,
  );
});

const tell = (name: string, attempt = 1, connection = 1): Effect => ({
  kind: "message",
  when: "durable",
  demand: true,
  connection,
  attempt,
  message: { kind: "abort", attempt, reason: name },
});
const go = (connection: number, attempt = 1): Effect => ({
  kind: "message",
  when: "durable",
  demand: true,
  connection,
  attempt,
  message: { kind: "go", attempt, command: 0, try: 1, probe: false },
});
const answer = (request: number): Effect => ({
  kind: "respond",
  when: "durable",
  demand: true,
  request,
  response: { kind: "done" },
});
const close = (reason: string, connection = 1): Effect => ({
  kind: "close-connection",
  when: "durable",
  demand: true,
  connection,
  code: 4409,
  reason,
});
function nameOf(effect: Effect): string {
  if (effect.kind === "respond") return `answer ${effect.request}`;
  if (effect.kind === "close-connection") return effect.reason;
  return effect.kind === "message" && effect.message.kind === "abort"
    ? effect.message.reason
    : effect.kind;
}

describe("effects that wait for batches", () => {
  test("leave in their order, each with its batch or a later one", () => {
    for (const [request, batch] of [
      [1, 3],
      [2, 3],
      [3, 4],
      [4, 6],
    ] as const) {
      outlet.untilDurable(answer(request), batch);
    }
    outlet.release(2);
    expect(performed).toEqual([]);
    outlet.release(3);
    expect(performed).toEqual(["answer 1", "answer 2"]);
    outlet.release(6);
    expect(performed).toEqual(["answer 1", "answer 2", "answer 3", "answer 4"]);
    expect(outlet.empty).toBe(true);
  });

  test("are counted as held until the last has left", () => {
    for (let request = 0; request < 5_000; request++) {
      outlet.untilDurable(answer(request), 1 + (request >> 2));
    }
    outlet.release(1_249);
    expect([performed.length, outlet.empty]).toEqual([4_996, false]);
    outlet.release(1_250);
    expect([performed.length, outlet.empty]).toEqual([5_000, true]);
  });
});

describe("within a lane", () => {
  test("a now waits for the durable before it, and only for that one's batch", () => {
    expect(outlet.now(tell("start"))).toBeUndefined();
    outlet.untilDurable(tell("go"), 5);
    expect(outlet.now(tell("deliver"))).toBe(5);
    expect(outlet.now(tell("elsewhere", 2))).toBeUndefined();
    expect(outlet.now(tell("another connection", 1, 2))).toBeUndefined();
    expect(performed).toEqual(["start", "elsewhere", "another connection"]);
    outlet.release(5);
    expect(performed.slice(3)).toEqual(["go", "deliver"]);
    expect(outlet.now(tell("free again"))).toBeUndefined();
  });

  test("a now that waits does not let a later durable pass", () => {
    outlet.untilDurable(tell("first"), 5);
    outlet.now(tell("second"));
    outlet.untilDurable(tell("third"), 6);
    outlet.now(tell("fourth"));
    outlet.release(5);
    expect(performed).toEqual(["first", "second"]);
    outlet.release(6);
    expect(performed).toEqual(["first", "second", "third", "fourth"]);
  });

  test("a durable does not pass one that waits for a confirmation", () => {
    outlet.untilConfirmed(tell("first"), 4);
    outlet.untilDurable(tell("second"), 5);
    outlet.now(tell("third"));
    const round = outlet.takeUnconfirmed();
    outlet.release(5);
    expect(performed).toEqual([]);
    outlet.confirmed(round);
    expect(performed).toEqual(["first", "second", "third"]);
    expect(outlet.empty).toBe(true);
  });

  test("what concerns the connection itself is in order too, its end included", () => {
    outlet.untilConfirmed(tell("refused", 0), 4);
    outlet.untilDurable(close("closed"), 5);
    outlet.release(5);
    expect(performed).toEqual([]);
    outlet.confirmed(outlet.takeUnconfirmed());
    expect(performed).toEqual(["refused", "closed"]);
  });
});

describe("the time that an attempt is held back", () => {
  test("is the time in which its lane holds something, told once", () => {
    outlet.untilDurable(go(1), 5);
    nowMs += 10;
    outlet.untilDurable(go(1), 6);
    nowMs += 10;
    outlet.release(5);
    expect(outlet.takeWaitedMs(1, 1)).toBe(0);
    nowMs += 3;
    outlet.release(6);
    nowMs += 100;
    outlet.untilDurable(go(1), 7);
    nowMs += 2;
    outlet.release(7);
    expect([outlet.takeWaitedMs(1, 1), outlet.takeWaitedMs(1, 1)]).toEqual([25, 0]);
  });

  test("is kept apart by attempt, and not for what concerns the connection", () => {
    outlet.untilDurable(go(1), 5);
    outlet.untilDurable(go(2, 11), 5);
    outlet.untilDurable(tell("registered", 0), 5);
    nowMs += 10;
    outlet.release(5);
    expect([
      outlet.takeWaitedMs(1, 1),
      outlet.takeWaitedMs(2, 11),
      outlet.takeWaitedMs(2, 1),
      outlet.takeWaitedMs(1, 0),
    ]).toEqual([10, 10, 0, 0]);
  });

  test("is forgotten with the attempt, with the connection, and when the clock was set back", () => {
    outlet.untilDurable(go(1), 5);
    nowMs += 10;
    outlet.release(5);
    outlet.untilDurable(tell("killed"), 6);
    outlet.release(6);
    expect(outlet.takeWaitedMs(1, 1)).toBe(0);
    outlet.untilDurable(go(1), 7);
    outlet.untilDurable(go(12), 7);
    nowMs += 10;
    outlet.forgetWaits(1);
    outlet.release(7);
    expect([outlet.takeWaitedMs(1, 1), outlet.takeWaitedMs(12, 1)]).toEqual([0, 10]);
    outlet.untilDurable(go(2), 8);
    nowMs -= 5_000;
    outlet.release(8);
    expect(outlet.takeWaitedMs(2, 1)).toBe(0);
  });

  test("is forgotten for all when nobody asks for very many", () => {
    const many = 10_001;
    for (let attempt = 1; attempt <= many; attempt++) outlet.untilDurable(go(1, attempt), 5);
    nowMs += 10;
    outlet.release(5);
    expect([outlet.takeWaitedMs(1, 1), outlet.takeWaitedMs(1, many)]).toEqual([0, 0]);
    outlet.untilDurable(go(1, 1), 6);
    nowMs += 3;
    outlet.release(6);
    expect(outlet.takeWaitedMs(1, 1)).toBe(3);
  });
});

test("a confirmation answers those that waited when it was asked for, and no later ones", () => {
  outlet.untilConfirmed(answer(1), 4);
  const round = outlet.takeUnconfirmed();
  outlet.untilConfirmed(answer(2), 4);
  outlet.confirmed(round);
  expect(performed).toEqual(["answer 1"]);
  expect([outlet.wantsConfirmation, outlet.empty]).toEqual([true, false]);
  outlet.confirmed(outlet.takeUnconfirmed());
  expect(performed).toEqual(["answer 1", "answer 2"]);
});
