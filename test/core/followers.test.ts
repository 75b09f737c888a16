/**
 * Chained starts: the next invocations of a busy key travel with the start of the one before them. They
 * change what is sent, and nothing of what happens: who starts when, on which state, and who is answered.
 */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import type { Follower, Start } from "../../protocol/message.ts";
import {
  bytes,
  CoreHarness,
  handler,
  ScriptedAttempt,
  serviceOf,
  SERVICES,
  text,
} from "../support/core-harness.ts";

const ADDS = 8;

/** Adds that wait for one key, none of them started but the first. */
function busyKey(limits = {}, count = ADDS): { h: CoreHarness; requests: number[] } {
  const h = new CoreHarness(limits);
  h.connect(1, { followersMax: 100 });
  const requests = Array.from({ length: count }, (_, at) =>
    h.invoke("counter/a/add", { body: `${at}` }),
  );
  return { h, requests };
}

const lastStart = (h: CoreHarness, connection = 1): Start => h.attempt(connection).start;
const inputsOf = (followers: readonly Follower[]): string[] =>
  followers.map((it) => text(it.input));
const startedInputs = (h: CoreHarness, connection = 1): string[] =>
  h.starts(connection).map((it) => text(it.input));
const abortsOf = (h: CoreHarness, connection = 1): number[] =>
  h.messages(connection, "abort").map((it) => it.attempt);

/** A worker that goes on with a follower of the last start. */
function follow(h: CoreHarness, nth: number, connection = 1): ScriptedAttempt {
  const start = lastStart(h, connection);
  const follower = start.followers[nth];
  if (follower === undefined) throw new Error(`the last start has no follower ${nth}`);
  return new ScriptedAttempt(h, connection, { ...start, ...follower });
}

const outcomeOf = (h: CoreHarness, request: number): string | undefined => {
  const response = h.responses.get(request);
  if (response?.kind !== "completed") return response?.kind;
  return response.result.ok ? text(response.result.value) : response.result.failure.message;
};

/** The first has ended; the second runs, and has the next two with it. */
function chained(limits = {}, count = ADDS) {
  const busy = busyKey(limits, count);
  busy.h.attempt(1).end("0");
  return { ...busy, head: busy.h.attempt(1) };
}

describe("a chain", () => {
  test("travels with the start of who takes the key over, in the order of the inbox", () => {
    const { h } = chained();
    expect(startedInputs(h)).toEqual(["0", "1"]);
    expect(inputsOf(lastStart(h).followers)).toEqual(["2", "3"]);
  });

  test("is taken over without another message when the one before ends, and each is answered", () => {
    const { h, requests, head } = chained();
    const told = h.told.get(1)?.length ?? 0;
    head.end("1");
    follow(h, 0).end("2");
    const last = follow(h, 1);
    last.issue({ kind: "set-state", key: "total", value: bytes("3") });
    const unsent = (h.told.get(1) ?? []).slice(told).filter((it) => it.kind !== "ack");
    expect(unsent).toEqual([]);
    last.end("3");
    expect(requests.slice(0, 5).map((it) => outcomeOf(h, it))).toEqual([
      "0",
      "1",
      "2",
      "3",
      undefined,
    ]);
    // The next start has what the last one of the chain has left: the harness compares it with the rows.
    expect(lastStart(h).state.entries).toEqual([["total", bytes("3")]]);
  });

  test("is twice as long each time, up to 32, and no longer than the inbox", () => {
    const { h } = chained({}, 90);
    const lengths: number[] = [];
    for (let round = 0; round < 6; round++) {
      const { followers } = lastStart(h);
      lengths.push(followers.length);
      h.attempt(1).end("");
      for (const at of followers.keys()) follow(h, at).end("");
    }
    expect(lengths).toEqual([2, 4, 8, 16, 32, 90 - 68 - 1]);
  });

  test("begins anew with two after it was void", () => {
    const { h, head } = chained({}, 40);
    head.end("");
    follow(h, 0).end("");
    follow(h, 1).end("");
    expect(lastStart(h).followers).toHaveLength(4);
    h.attempt(1).fail("no");
    h.advance(60_000);
    h.attempt(1).end("");
    expect(lastStart(h).followers).toHaveLength(2);
  });

  test("is not sent to a worker that takes none, and never longer than it takes", () => {
    const none = new CoreHarness();
    none.connect(1);
    const one = new CoreHarness();
    one.connect(1, { followersMax: 1 });
    for (const h of [none, one]) {
      for (let at = 0; at < 5; at++) h.invoke("counter/a/add", { body: `${at}` });
      h.attempt(1).end("");
    }
    expect(lastStart(none).followers).toEqual([]);
    expect(inputsOf(lastStart(one).followers)).toEqual(["2"]);
  });

  test("holds no more than 64 KiB, and nobody whose state is fetched when it is asked for", () => {
    const h = new CoreHarness();
    h.connect(1, {
      followersMax: 100,
      services: [
        serviceOf("counter", "object", [
          handler("add", "exclusive"),
          handler("sum", "exclusive", { lazyState: true }),
        ]),
      ],
    });
    for (const at of [0, 1]) h.invoke("counter/a/add", { body: `${at}` });
    h.invoke("counter/a/add", { body: "x".repeat(70_000) });
    h.invoke("counter/b/add");
    for (const path of ["add", "sum", "add"]) h.invoke(`counter/b/${path}`);
    h.attempt(1, 0).end("");
    expect(lastStart(h).followers).toEqual([]);
    h.attempt(1, 1).end("");
    expect(lastStart(h).followers).toEqual([]);
  });

  test("is not sent with a state that is not complete", () => {
    const { h } = busyKey({ eagerStateBytesMax: 3 });
    h.attempt(1).issue({ kind: "set-state", key: "total", value: bytes("1234") });
    h.attempt(1).end("");
    expect(lastStart(h).state.complete).toBe(false);
    expect(lastStart(h).followers).toEqual([]);
  });

  test("does not pass by who waits for room", () => {
    const h = new CoreHarness();
    h.connect(1, { concurrency: 1, followersMax: 100 });
    for (let at = 0; at < 3; at++) h.invoke("counter/a/add", { body: `${at}` });
    h.attempt(1).end("");
    expect(inputsOf(lastStart(h).followers)).toEqual(["2"]);
    const { attempt } = lastStart(h).followers[0] ?? { attempt: 0 };
    h.invoke("counter/b/add", { body: "b" });
    h.attempt(1).end("");
    // All stand in one queue, in the order of acceptance.
    expect(startedInputs(h)).toEqual(["0", "1", "2"]);
    expect(lastStart(h).attempt).not.toBe(attempt);
    expect(abortsOf(h)).toEqual([attempt]);
  });

  test("waits on disk as everybody else does: a restart starts it again, in its place", () => {
    const { h, head } = chained({}, 4);
    head.end("1");
    follow(h, 0).issue({ kind: "set-state", key: "total", value: bytes("2") });
    h.restart();
    h.connect(1, { followersMax: 100 });
    expect(startedInputs(h)).toEqual(["2"]);
    h.attempt(1).end("2");
    expect(startedInputs(h)).toEqual(["2", "3"]);
  });
});

type Ending = (h: CoreHarness, head: ScriptedAttempt) => void;
const idOf = (h: CoreHarness, nth: number): InvocationId =>
  lastStart(h).followers[nth]?.invocationId ?? lastStart(h).invocationId;
const control =
  (kind: "cancel" | "kill" | "pause", nth: number): Ending =>
  (h) =>
    void h.ask((request) => ({ kind, request, invocationId: idOf(h, nth) }));

/** What makes both followers void before the head has ended. */
const VOID: readonly (readonly [string, Ending])[] = [
  ["failed", (_, head) => head.fail("no")],
  [
    "was suspended",
    (_, head) => {
      head.issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
      head.suspend();
    },
  ],
  [
    "was killed",
    (h, { start }) =>
      void h.ask((request) => ({ kind: "kill", request, invocationId: start.invocationId })),
  ],
  [
    "was paused",
    (h, { start }) =>
      void h.ask((request) => ({ kind: "pause", request, invocationId: start.invocationId })),
  ],
  [
    "asked for more than there may be",
    (_, head) => void head.issue({ kind: "set-state", key: "x", value: new Uint8Array(2_000) }),
  ],
  [
    "has its key paused",
    (h) => void h.ask((request) => ({ kind: "pause-key", request, service: "counter", key: "a" })),
  ],
  [
    "has its service paused",
    (h) => void h.ask((request) => ({ kind: "pause-service", request, service: "counter" })),
  ],
  ["has a follower that was cancelled", control("cancel", 0)],
  ["has a follower that was killed", control("kill", 0)],
  ["has a follower that was paused", control("pause", 0)],
];

describe("all that is left of a chain is void, and its worker is told, when the one before", () => {
  test.each(VOID)("%s", (_, happens) => {
    const { h, head } = chained({ stateValueBytesMax: 1_000 });
    const handles = lastStart(h).followers.map((it) => it.attempt);
    const [first, second] = [follow(h, 0), follow(h, 1)];
    happens(h, head);
    expect(abortsOf(h)).toEqual(expect.arrayContaining(handles));
    // Its worker may not have heard of it: what it says is nobody's.
    const rows = new Map(h.tx.rows);
    head.end("1");
    const afterTheHead = new Map(h.tx.rows);
    for (const it of [first, second]) {
      it.issue({ kind: "set-state", key: "total", value: bytes("void") });
      it.end("void");
    }
    expect(h.tx.rows).toEqual(afterTheHead);
    expect(h.closed.size).toBe(0);
    expect(rows.size).toBeGreaterThan(0);
    expect([...h.responses.values()].map((it) => JSON.stringify(it)).join()).not.toContain("void");
  });

  test("ended as its worker had said that it leaves", () => {
    const { h, head } = chained();
    const [first] = lastStart(h).followers;
    h.connect(2, { followersMax: 100 });
    h.apply({ kind: "worker-drain", connection: 1, ordinal: 50 });
    head.end("1");
    expect(abortsOf(h)).toContain(first?.attempt);
    expect(startedInputs(h, 2)).toEqual(["2"]);
  });

  test("ended as its connection did not take more", () => {
    const { h, head } = chained();
    const handles = lastStart(h).followers.map((it) => it.attempt);
    h.apply({ kind: "worker-congestion", connection: 1, congested: true });
    head.end("1");
    expect(abortsOf(h)).toEqual(handles);
    h.apply({ kind: "worker-congestion", connection: 1, congested: false });
    expect(startedInputs(h)).toEqual(["0", "1", "2"]);
  });

  test("ended as another version took the new ones", () => {
    const { h, head } = chained();
    h.connect(2, { version: "next", services: SERVICES });
    head.end("1");
    expect(abortsOf(h)).toHaveLength(2);
    expect(startedInputs(h, 2)).toEqual(["2"]);
  });

  test("went with its connection: all start elsewhere, in their order", () => {
    const { h } = chained({}, 4);
    h.lose(1);
    h.connect(2, { followersMax: 100 });
    for (const _ of [1, 2, 3]) {
      h.attempt(2).end("");
      for (const at of lastStart(h, 2).followers.keys()) follow(h, at, 2).end("");
    }
    expect(startedInputs(h, 2)).toEqual(["1", "2"]);
    expect(inputsOf(lastStart(h, 2).followers)).toEqual(["3"]);
  });
});

test("of a chain whose second leaves the inbox, the first still follows", () => {
  const { h, head } = chained();
  const [first, second] = lastStart(h).followers;
  control("kill", 1)(h, head);
  expect(abortsOf(h)).toEqual([second?.attempt]);
  head.end("1");
  const follower = follow(h, 0);
  expect(follower.handle).toBe(first?.attempt);
  follower.end("2");
  expect(startedInputs(h)).toEqual(["0", "1", "4"]);
});

test("a signal that comes while it waits is told to a follower, with a start of its own", () => {
  const { h, head } = chained();
  const { invocationId, attempt } = lastStart(h).followers[0] ?? { invocationId: "", attempt: 0 };
  h.invoke("greeter/greet");
  const result = { ok: true, value: bytes("hi") } as const;
  const signal = { kind: "send-signal", invocationId, signal: "s", result } as const;
  h.attempt(1).issue(signal as never);
  head.end("1");
  expect(abortsOf(h)).toContain(attempt);
  expect(lastStart(h)).toMatchObject({ invocationId, deliveryCount: 1 });
});

test("what a worker says for a follower before its turn is nobody's", () => {
  const { h, head } = chained();
  const early = follow(h, 0);
  early.end("early");
  head.end("1");
  expect([...h.responses.values()].map((it) => JSON.stringify(it)).join()).not.toContain("early");
  follow(h, 0).end("2");
  expect(startedInputs(h)).toEqual(["0", "1"]);
});

test("a follower has waited in the inbox for as long as the key was not its own", () => {
  const { h, requests, head } = chained();
  h.advance(500);
  head.end("1");
  h.advance(100);
  follow(h, 0).end("2");
  expect(outcomeOf(h, requests[2] ?? 0)).toBe("2");
});
