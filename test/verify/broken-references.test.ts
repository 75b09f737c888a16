/**
 * A store with something of everything is sound; and each reference in it, broken once, is found and
 * named. The stories are told by the machine itself, so that the rows are those that it writes.
 */
import { expect, test } from "vitest";
import { encodePause } from "../../runtime/core/pause-rows.ts";
import {
  activeKey,
  deploymentKey,
  expiryKey,
  idempotencyKey,
  inboxPrefix,
  inputKey,
  invocationKey,
  journalKey,
  lockKey,
  NEXT_SEQUENCE,
  OPEN_COUNT,
  outcomeKey,
  parkedKey,
  pausedKeyKey,
  pausedServiceKey,
  pendingPrefix,
  pinnedCountKey,
  prefixEnd,
  promiseWaiterPrefix,
  readyKey,
  runPrefix,
  stateBytesKey,
  stateKey,
  timerKey,
  TIMERS,
  waiterPrefix,
  workflowKey,
  INVOCATIONS,
  readU32,
  readU48,
} from "../../runtime/core/keys.ts";
import { invocationIdOf, noTimeSpent, type Invocation } from "../../runtime/core/invocation.ts";
import {
  decodeInvocation,
  encodeInvocation,
  encodeLock,
  encodeNumber,
} from "../../runtime/core/rows.ts";
import type { HistoryInRecord } from "../../runtime/core/sealed-record.ts";
import { brokenReferences, SeenRows } from "../support/check-rows.ts";
import { bytes, type CoreHarness, type PlainTx } from "../support/core-harness.ts";
import { world } from "../support/full-world.ts";

const NOTHING = new Uint8Array(0);
function all(h: CoreHarness): Invocation[] {
  const range = { from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 1_000 };
  return h.tx.range(range).map(([key, row]) => decodeInvocation(readU48(key, 1), row));
}

const find = (h: CoreHarness, wanted: (it: Invocation) => boolean): Invocation => {
  const found = all(h).find(wanted);
  if (found === undefined) throw new Error("the world has no such invocation");
  return found;
};
const at = (h: CoreHarness, key: string, status: string): Invocation =>
  find(h, (it) => it.target.key === key && it.status === status);
const holderOf = (h: CoreHarness): Invocation => at(h, "a", "running");
const sealedOf = (h: CoreHarness): Invocation => find(h, (it) => it.inRecord?.journal != null);
const largeOf = (h: CoreHarness): Invocation =>
  find(h, (it) => it.status === "completed" && it.inRecord?.outcome == null);
const first = (tx: PlainTx, prefix: string): string => {
  const [row] = tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1 });
  if (row === undefined) throw new Error(`the world has no row ${JSON.stringify(prefix)}`);
  return row[0];
};
const rewrite = (h: CoreHarness, it: Invocation, change: Partial<Invocation>): void =>
  h.tx.put(invocationKey(it.sequence), encodeInvocation({ ...it, ...change }));
const timer = (h: CoreHarness, kind: "start" | "sleep" | "retry" | "run-retry"): string => {
  const code = { start: 1, sleep: 2, retry: 3, "run-retry": 4 }[kind];
  const rows = h.tx.range({ from: TIMERS, to: prefixEnd(TIMERS), limit: 1_000 });
  const found = rows.find(([key]) => key.charCodeAt(13) === code);
  if (found === undefined) throw new Error(`the world has no ${kind} timer`);
  return found[0];
};

type Break = (h: CoreHarness) => void;
const remove =
  (keyOf: (h: CoreHarness) => string): Break =>
  (h) => {
    const key = keyOf(h);
    if (h.tx.get(key) === undefined) throw new Error(`no row ${JSON.stringify(key)} to remove`);
    h.tx.remove(key);
  };
const put =
  (keyOf: (h: CoreHarness) => string, value: Uint8Array): Break =>
  (h) =>
    h.tx.put(keyOf(h), value);
const reseal =
  (change: Partial<HistoryInRecord>): Break =>
  (h) => {
    const { inRecord, ...it } = sealedOf(h);
    if (inRecord === undefined) throw new Error("the world has nothing that is sealed");
    h.tx.put(
      invocationKey(it.sequence),
      encodeInvocation({ ...it, inRecord: { ...inRecord, ...change } }),
    );
  };
const GONE = 999_999;

const BROKEN: Readonly<Record<string, readonly [Break, string]>> = {
  "a record": [remove((h) => invocationKey(holderOf(h).sequence)), "that is not there"],
  "an input": [remove((h) => inputKey(holderOf(h).sequence)), "has no input"],
  "a sealed input": [reseal({ input: null }), "has no input"],
  "a sealed outcome": [reseal({ outcome: null }), "has no outcome"],
  "a sealed journal": [reseal({ journal: null }), "has 0 journal entries, 2 are recorded"],
  "a sealed journal that decodes to nothing": [
    reseal({ journal: new Uint8Array([0x91, 0x93, 0, 0x91, 99, 0]) }),
    "a row that cannot be read",
  ],
  "an outcome": [remove((h) => outcomeKey(largeOf(h).sequence)), "has no outcome"],
  "an outcome in two places": [
    put((h) => outcomeKey(sealedOf(h).sequence), bytes("\x92\x92\xc3\xc4\x00\xa0")),
    "has a part in its record and in a row too",
  ],
  "an entry in two places": [
    put((h) => journalKey(sealedOf(h).sequence, 0), bytes("\x93\x01\xc0\x00")),
    "has entry 0 of its journal in its record and in a row too",
  ],
  "a record that is sealed too early": [
    (h) => {
      const parts = { input: null, outcome: null, journal: null };
      const ends = { status: "completed", completedAtMs: h.nowMs, expiresAtMs: h.nowMs } as const;
      rewrite(h, holderOf(h), { ...ends, inRecord: parts });
    },
    "has no outcome",
  ],
  "an outcome too many": [
    put((h) => outcomeKey(holderOf(h).sequence), bytes("\x92\xc3\xa0")),
    "has an outcome and has not ended",
  ],
  "a journal entry": [remove((h) => journalKey(holderOf(h).sequence, 1)), "journal entries"],
  "an active row": [remove((h) => activeKey(holderOf(h).sequence)), "has no active row"],
  "a lock": [remove(() => lockKey("counter", "a")), "does not hold its key"],
  "a lock of nobody": [
    put(() => lockKey("counter", "q"), encodeLock({ holder: GONE, waiting: 0, sinceMs: 0 })),
    "held by nobody",
  ],
  "the count of an inbox": [
    (h) => {
      const { sequence } = holderOf(h);
      const lock = { holder: sequence, waiting: 7, sinceMs: h.nowMs };
      h.tx.put(lockKey("counter", "a"), encodeLock(lock));
    },
    "counts 7 waiting, 2 are",
  ],
  "a place in an inbox": [
    remove((h) => first(h.tx, inboxPrefix("counter", "a"))),
    "is not where it should be in the inbox",
  ],
  "an inbox without a lock": [
    (h) => {
      const key = inboxPrefix("counter", "q") + "\0\0\0\0\0\x01";
      h.tx.put(key, encodeNumber(at(h, "a", "inboxed").sequence));
    },
    "an inbox of a key that nobody holds",
  ],
  "a sleep's timer": [remove((h) => timer(h, "sleep")), "a sleep without a timer"],
  "a start timer": [remove((h) => timer(h, "start")), "has no start timer"],
  "a retry timer": [remove((h) => timer(h, "retry")), "has no retry timer"],
  "a run's retry timer": [remove((h) => timer(h, "run-retry")), "backs off without a timer"],
  "a timer of nobody": [
    put(() => timerKey({ dueAtMs: 5, sequence: GONE, kind: "sleep", id: 1 }), NOTHING),
    "a sleep timer that nobody wants",
  ],
  "an expiry": [
    remove((h) => {
      const { sequence, expiresAtMs } = find(h, (it) => it.status === "completed");
      return expiryKey({ dueAtMs: expiresAtMs ?? 0, sequence, kind: "purge" });
    }),
    "has 0 expiry rows",
  ],
  "an expiry of nobody": [
    put(() => expiryKey({ dueAtMs: 5, sequence: GONE, kind: "purge" }), NOTHING),
    "a purge expiry that nobody wants",
  ],
  "something outstanding": [
    remove((h) => first(h.tx, pendingPrefix(holderOf(h).sequence))),
    "pending",
  ],
  "a run": [remove((h) => first(h.tx, runPrefix(holderOf(h).sequence))), "counts 1 runs, 0"],
  "a run that has a row and is said to have none": [
    (h) => {
      const holder = holderOf(h);
      const prefix = runPrefix(holder.sequence);
      const command = readU32(first(h.tx, prefix), prefix.length);
      rewrite(h, holder, { plainRuns: [{ command, entry: 0 }] });
    },
    "has a row and is said to have none",
  ],
  "a run without a row that is none": [
    (h) => rewrite(h, holderOf(h), { plainRuns: [{ command: 99, entry: 0 }] }),
    "has run 99, which entry 0 of its journal is not",
  ],
  "a callee": [
    (h) => {
      const callee = at(h, "b", "running");
      const parts = { input: null, outcome: null, journal: null };
      const ends = { status: "completed", completedAtMs: h.nowMs, expiresAtMs: h.nowMs } as const;
      rewrite(h, callee, { ...ends, inRecord: parts });
    },
    "waits for a callee that is gone",
  ],
  "a waiter": [
    remove((h) => first(h.tx, waiterPrefix(at(h, "w", "running").sequence))),
    "an invocation that does not know of it",
  ],
  "a waiter of a promise": [
    remove((h) => first(h.tx, promiseWaiterPrefix("signup", "w", "clicked"))),
    "a promise that does not know of it",
  ],
  "a waiter that does not wait": [
    put((h) => waiterPrefix(holderOf(h).sequence) + "\0\0\0\0\0\x01\0\0\0\x09", encodeNumber(1)),
    "a waiter (attach) that does not wait",
  ],
  "an idempotency key": [
    remove(() => idempotencyKey({ service: "greeter", key: null, handler: "greet" }, "once")),
    "is not what its idempotency key names",
  ],
  "an idempotency key of nobody": [
    put(
      () => idempotencyKey({ service: "greeter", key: null, handler: "greet" }, "twice"),
      encodeNumber(GONE),
    ),
    "an idempotency key names an invocation that is not there",
  ],
  "the key of a workflow": [
    remove(() => workflowKey("signup", "w")),
    "is not what the key of its workflow names",
  ],
  "state of a workflow that is gone": [
    put(() => stateKey("signup", "gone", "x"), bytes("1")),
    "state of a workflow that is not there",
  ],
  "the size of a large state": [
    put(() => stateBytesKey("counter", "a"), encodeNumber(1)),
    "has the size 1 kept",
  ],
  "the size of no state": [
    put(() => stateBytesKey("counter", "none"), encodeNumber(1)),
    "the size of a state that is not there",
  ],
  "a parked row": [
    remove((h) => parkedKey("counter", "z", at(h, "z", "ready").sequence)),
    "is parked nowhere",
  ],
  "a pause of a key": [remove(() => pausedKeyKey("counter", "z")), "its key is not paused"],
  "a ready row of what runs": [
    put(
      (h) => readyKey({ version: "dev", service: "counter", handler: "add" }, holderOf(h).sequence),
      NOTHING,
    ),
    "a ready queue holds what is not ready",
  ],
  "a pause that something runs under": [
    put(
      () => pausedServiceKey("counter"),
      encodePause({ service: "counter", key: null, sinceMs: 1, resuming: false }),
    ),
    "runs although its service is paused",
  ],
  "a deployment": [remove(() => deploymentKey("dev")), "deployment dev, which is not there"],
  "the count of the open": [put(() => OPEN_COUNT, encodeNumber(1)), "1 counted"],
  "the count of the pinned": [put(() => pinnedCountKey("dev"), encodeNumber(1)), "1 counted"],
  "the bound of sequences": [put(() => NEXT_SEQUENCE, encodeNumber(2)), "the bound is 2"],
  "a row of an unknown kind": [put(() => "?what", NOTHING), "does not know"],
  "a row that decodes to nothing": [
    put((h) => invocationKey(holderOf(h).sequence), bytes("nonsense")),
    "a row that cannot be read",
  ],
  "a time to come": [
    (h) => {
      h.tx.put("h", encodeNumber(5));
    },
    "later than the clock",
  ],
  "a purge without an end": [
    (h) => {
      const ended = find(h, (it) => it.status === "completed");
      rewrite(h, ended, { purging: true, expiresAtMs: 77, spentMs: noTimeSpent() });
    },
    "is being purged and never will be",
  ],
};

test("a store with something of everything is sound", () => {
  const h = world();
  expect(brokenReferences(h.tx)).toEqual([]);
  h.restart();
  expect(brokenReferences(h.tx)).toEqual([]);
});

test.each(Object.keys(BROKEN))("%s, broken, is found and named", (title) => {
  const h = world();
  const [breakIt, problem] = BROKEN[title] ?? [];
  const seen = new SeenRows();
  expect(brokenReferences(h.tx, seen)).toEqual([]);
  breakIt?.(h);
  expect(brokenReferences(h.tx).join("\n")).toContain(problem);
  // Also where the rows were all sound before, and are known.
  expect(brokenReferences(h.tx, seen)).toEqual(brokenReferences(h.tx));
});

test("what is found names the invocation", () => {
  const h = world();
  const holder = holderOf(h);
  h.tx.remove(inputKey(holder.sequence));
  expect(brokenReferences(h.tx)).toEqual([
    expect.stringContaining(`running counter/a/add ${invocationIdOf(holder)} has no input`),
  ]);
});
