/**
 * Keys of rows, for any names: two different things never have one key, what a range relies on is in
 * order, and what is read back is what was put in. Names are any text that a wire can carry: NUL,
 * bytes of 0xff, the length of something else, and long ones among them.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as keys from "../../runtime/core/keys.ts";

const RUNS = Number(process.env["FUZZ_KEY_RUNS"] ?? 1_000);

/** Texts that look like parts of keys, and texts at random. */
const anyName = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom("", "\0", "\0\0", "\0\x01", "\x01a", "a", "ab", "b", "\u00ff", "\u00ff\u00ff", "\uffff", "\u{10ffff}", "\ufeff", "e\u0301", "\u00e9"), // prettier-ignore
  fc.integer({ min: 0, max: 600 }).map((length) => "x".repeat(length)),
  fc.array(fc.constantFrom("\0", "\x01", "\x02", "a", "\u00ff"), { maxLength: 6 }).map((it) => it.join("")), // prettier-ignore
);
const anyU48 = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  fc.constantFrom(255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1),
);
const anyU32 = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.constantFrom(255, 256, 2 ** 31, 2 ** 32 - 1),
);
const anyTimer = fc.record({
  dueAtMs: anyU48,
  sequence: anyU48,
  kind: fc.constantFrom<keys.TimerKind>(
    "start",
    "sleep",
    "retry",
    "run-retry",
    "resume",
    "cancel",
    "kill",
  ),
  id: anyU32,
});

type Part = string | number | null;
interface Kind {
  readonly parts: readonly fc.Arbitrary<Part>[];
  readonly encode: (...parts: never[]) => string;
}

const name: fc.Arbitrary<Part> = anyName;
const optional: fc.Arbitrary<Part> = fc.option(anyName, { nil: null });

/** One row per kind of key; the compiler cannot miss one, so the test below counts them. */
const KINDS: Readonly<Record<string, Kind>> = {
  invocation: { parts: [anyU48], encode: keys.invocationKey },
  input: { parts: [anyU48], encode: keys.inputKey },
  outcome: { parts: [anyU48], encode: keys.outcomeKey },
  journal: { parts: [anyU48, anyU32], encode: keys.journalKey },
  pending: { parts: [anyU48, anyU32], encode: keys.pendingKey },
  run: { parts: [anyU48, anyU32], encode: keys.runKey },
  waiter: { parts: [anyU48, anyU48, anyU32], encode: keys.waiterKey },
  lock: { parts: [name, name], encode: keys.lockKey },
  inbox: { parts: [name, name, anyU48], encode: keys.inboxKey },
  state: { parts: [name, name, name], encode: keys.stateKey },
  workflow: { parts: [name, name], encode: keys.workflowKey },
  promise: { parts: [name, name, name], encode: keys.promiseKey },
  promiseWaiter: {
    parts: [name, name, name, anyU48, anyU32],
    encode: (service: string, key: string, promise: string, waiter: number, id: number) =>
      keys.promiseWaiterKey({ service, key, name: promise }, waiter, id),
  },
  idempotency: {
    parts: [name, optional, name, name],
    encode: (service: string, key: string | null, handler: string, idempotencyKey: string) =>
      keys.idempotencyKey({ service, key, handler }, idempotencyKey),
  },
  ready: {
    parts: [name, name, name, anyU48],
    encode: (version: string, service: string, handler: string, sequence: number) =>
      keys.readyKey({ version, service, handler }, sequence),
  },
  parked: { parts: [name, name, anyU48], encode: keys.parkedKey },
  pausedKey: { parts: [name, name], encode: keys.pausedKeyKey },
  pausedService: { parts: [name], encode: keys.pausedServiceKey },
  stateBytes: { parts: [name, name], encode: keys.stateBytesKey },
  pinnedCount: { parts: [name], encode: keys.pinnedCountKey },
  active: { parts: [anyU48], encode: keys.activeKey },
  deployment: { parts: [name], encode: keys.deploymentKey },
  service: { parts: [name], encode: keys.serviceKey },
};

/** Two lists of parts that differ little, or not at all: neighbours are where keys would collide. */
function neighbours({ parts }: Kind): fc.Arbitrary<[Part[], Part[]]> {
  const all = fc.tuple(...parts);
  const shifted = all.map((it): [Part[], Part[]] => [it, moved(it)]);
  return fc.oneof(fc.tuple(all, all), shifted);
}

/** A character goes from the end of one name to the start of the next. */
function moved(parts: readonly Part[]): Part[] {
  const at = parts.findIndex((it, i) => typeof it === "string" && it !== "" && typeof parts[i + 1] === "string"); // prettier-ignore
  const [from, to] = [parts[at], parts[at + 1]];
  if (typeof from !== "string" || typeof to !== "string") return [...parts];
  const last = [...from].at(-1) ?? "";
  return parts.map((it, i) =>
    i === at ? from.slice(0, from.length - last.length) : i === at + 1 ? last + to : it,
  );
}

const encode = ({ encode: make }: Kind, parts: readonly Part[]): string =>
  make(...(parts as never[])); // drawn from the kind's own parts

describe("keys of rows", () => {
  test.each(Object.entries(KINDS))("%s: equal for equal parts, and only for these", (_, kind) => {
    fc.assert(
      fc.property(neighbours(kind), ([left, right]) => {
        const same = left.every((it, i) => it === right[i]);
        expect(encode(kind, left) === encode(kind, right)).toBe(same);
      }),
      { numRuns: RUNS },
    );
  });

  test("no key of one kind is a key of another, or stands among its rows", () => {
    const prefixes = Object.values(KINDS).map((kind) => {
      const samples = fc.sample(fc.tuple(...kind.parts), 20);
      const first = new Set(samples.map((parts) => encode(kind, parts)[0]));
      expect(first.size).toBe(1);
      return [...first][0];
    });
    const single = [
      keys.NEXT_SEQUENCE,
      keys.CLOCK_HIGH_WATER,
      keys.TIMERS,
      keys.EXPIRIES,
      keys.OPEN_COUNT,
    ];
    expect(new Set([...prefixes, ...single]).size).toBe(prefixes.length + single.length);
  });

  test("numbers are in the order of their keys", () => {
    fc.assert(
      fc.property(anyU48, anyU48, anyU32, anyU32, (a, b, c, d) => {
        const order = Math.sign(a - b) || Math.sign(c - d);
        const [left, right] = [keys.journalKey(a, c), keys.journalKey(b, d)];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(order);
        expect([keys.readU48(left, 1), keys.readU32(left, 7)]).toEqual([a, c]);
      }),
      { numRuns: RUNS },
    );
  });

  test("inboxes, ready queues and timers are in order of number and of time", () => {
    fc.assert(
      fc.property(anyName, anyName, anyU48, anyU48, (service, key, a, b) => {
        const order = (left: string, right: string): boolean => left < right;
        expect(order(keys.inboxKey(service, key, a), keys.inboxKey(service, key, b))).toBe(a < b);
        const queue = { version: key, service, handler: key };
        expect(order(keys.readyKey(queue, a), keys.readyKey(queue, b))).toBe(a < b);
        expect(order(keys.parkedKey(service, key, a), keys.parkedKey(service, key, b))).toBe(a < b);
      }),
      { numRuns: RUNS },
    );
    fc.assert(
      fc.property(anyTimer, anyTimer, (a, b) => {
        if (a.dueAtMs !== b.dueAtMs) {
          expect(keys.timerKey(a) < keys.timerKey(b)).toBe(a.dueAtMs < b.dueAtMs);
        }
        expect(keys.parseTimerKey(keys.timerKey(a))).toEqual(a);
      }),
      { numRuns: RUNS },
    );
  });

  test("a prefix holds exactly the rows of its owner", () => {
    type Names = [string, string, string, string, string, string];
    const six = fc.tuple(anyName, anyName, anyName, anyName, anyName, anyName) as fc.Arbitrary<Names>; // prettier-ignore
    fc.assert(
      fc.property(six, anyU48, ([a, b, c, d, e, f], number) => {
        const same = a === d && b === e;
        const holds = (prefix: string, key: string): boolean =>
          prefix <= key && key < keys.prefixEnd(prefix);
        expect(holds(keys.statePrefix(a, b), keys.stateKey(d, e, f))).toBe(same);
        expect(holds(keys.promisePrefix(a, b), keys.promiseKey(d, e, f))).toBe(same);
        expect(holds(keys.inboxPrefix(a, b), keys.inboxKey(d, e, number))).toBe(same);
        const ready = keys.readyKey({ version: d, service: e, handler: f }, number);
        expect(holds(keys.readyPrefix(a, b, c), ready)).toBe(same && c === f);
        expect(holds(keys.parkedPrefix(a, b), keys.parkedKey(d, e, number))).toBe(same);
        const waiter = keys.promiseWaiterKey({ service: d, key: e, name: f }, number, 1);
        const holdsWaiter = holds(keys.promiseWaiterPrefix(a, b, c), waiter);
        expect(holdsWaiter).toBe(same && c === f);
        const key = keys.stateKey(a, b, c);
        expect(keys.parseName(key, keys.statePrefix(a, b).length)).toBe(c);
      }),
      { numRuns: RUNS },
    );
  });

  test("state of a key is in the order of its names' bytes", () => {
    fc.assert(
      fc.property(anyName, anyName, anyName, (service, a, b) => {
        const order = Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
        const [left, right] = [keys.stateKey(service, "k", a), keys.stateKey(service, "k", b)];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(order);
        // A binary string: each character is a byte, and they are those of UTF-8.
        expect(Buffer.from(left, "latin1").includes(Buffer.from(a, "utf8"))).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  test("half of a surrogate pair never becomes a key", () => {
    for (const half of ["\ud800", "a\udfff", "\udc00\ud800"]) {
      expect(() => keys.stateKey("s", "k", half)).toThrow(URIError);
      expect(() => keys.lockKey("s", half)).toThrow(URIError);
    }
  });

  test("a number that has no room is refused", () => {
    for (const number of [-1, 2 ** 48, 0.5, Number.NaN]) {
      expect(() => keys.invocationKey(number)).toThrow(/48 bits/);
    }
    for (const number of [-1, 2 ** 32]) expect(() => keys.journalKey(1, number)).toThrow(/32 bits/);
    expect(() => keys.lockKey("x".repeat(65_536), "")).toThrow(/does not fit a key/);
  });
});
