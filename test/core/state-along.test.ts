/** State that is too large for a start: it is not even read then, and an answer brings along its neighbours. */
import { describe, expect, test } from "vitest";
import type { FurtherState } from "../../protocol/message.ts";
import type { Effect } from "../../runtime/core/effect.ts";
import type { Range, Row } from "../../runtime/core/tx.ts";
import {
  bytes,
  CoreHarness,
  handler,
  serviceOf,
  SortedTx,
  type ScriptedAttempt,
} from "../support/core-harness.ts";

const KIB = 1024;

/** Knows how many bytes of state were read. */
class WatchedTx extends SortedTx {
  stateBytesRead = 0;
  override get(key: string): Uint8Array | undefined {
    const value = super.get(key);
    if (key.startsWith("s")) this.stateBytesRead += value?.length ?? 0;
    return value;
  }
  override range(range: Range): Row[] {
    const rows = super.range(range);
    if (range.from.startsWith("s")) {
      for (const [, value] of rows) this.stateBytesRead += value.length;
    }
    return rows;
  }
}

const services = [
  serviceOf("counter", "object", [
    handler("add", "exclusive"),
    handler("lazy", "exclusive", { lazyState: true }),
    handler("read", "shared"),
  ]),
];

/** A key with `count` values of `size` bytes, named n0000, n0001, ... */
function filled(count: number, size: number, limits = {}): { h: CoreHarness; tx: WatchedTx } {
  const tx = new WatchedTx();
  const h = new CoreHarness(limits, { tx });
  h.connect(1, { services });
  h.invoke("counter/a/add");
  const first = h.attempt(1);
  for (let at = 0; at < count; at++) set(first, nameOf(at), "x".repeat(size));
  first.end("1");
  tx.stateBytesRead = 0;
  return { h, tx };
}

const nameOf = (at: number): string => `n${String(at).padStart(4, "0")}`;

test("a large value that is replaced or cleared is not read, and counts for what it was", () => {
  const { h, tx } = filled(1, 100 * KIB, { stateBytesMax: 250 * KIB });
  const attempt = start(h, "add");
  set(attempt, nameOf(0), "y".repeat(200 * KIB));
  set(attempt, nameOf(1), "y".repeat(40 * KIB));
  expect(attempt.aborts()).toEqual([]);
  set(attempt, nameOf(1), "y".repeat(60 * KIB));
  expect(attempt.aborts()).toMatchObject([{ reason: expect.stringContaining("stateBytesMax") }]);
  expect(tx.stateBytesRead).toBeLessThan(60 * KIB);
});

function start(h: CoreHarness, name: string): ScriptedAttempt {
  h.invoke(`counter/a/${name}`);
  return h.attempt(1);
}

function set(attempt: ScriptedAttempt, key: string, value: string): void {
  attempt.issue({ kind: "set-state", key, value: bytes(value) });
}

let completionId = 0;
function get(attempt: ScriptedAttempt, key: string): void {
  attempt.issue({ kind: "get-state", key, completionId: ++completionId });
}

const along = (h: CoreHarness): FurtherState[] => h.messages(1, "state");
const names = (message: FurtherState | undefined): string[] =>
  message?.entries.map(([name]) => name) ?? [];
const sizeOf = (message: FurtherState): number =>
  message.entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);

describe("a start beside a large state", () => {
  test.each([
    ["one large value", 1, 1_000_000],
    ["many small ones", 1_000, 1_000],
  ])("reads and sends none of it: %s", (_what, count, size) => {
    const { h, tx } = filled(count, size);
    const attempt = start(h, "add");
    expect(attempt.start.state).toEqual({ complete: false, entries: [] });
    expect(tx.stateBytesRead).toBe(0);
    attempt.end("1");
    expect(along(h)).toEqual([]);
  });
});

describe("the answer of a read", () => {
  test("comes after what follows it in the order of names, as it stands then", () => {
    const { h } = filled(3, 10, { eagerStateBytesMax: 20 });
    const attempt = start(h, "add");
    set(attempt, "n0002", "new");
    get(attempt, "n0000");
    expect(along(h)).toHaveLength(1);
    expect(along(h)[0]?.entries).toEqual([
      ["n0001", bytes("x".repeat(10))],
      ["n0002", bytes("new")],
    ]);
    const told = h.told.get(1)?.map((it) => it.kind) ?? [];
    expect(told.slice(-2)).toEqual(["state", "deliver"]);
  });

  test("of a value that is not there brings its neighbours, of the last one nothing", () => {
    const { h } = filled(3, 10, { eagerStateBytesMax: 20 });
    get(start(h, "add"), "n0000+");
    expect(names(along(h)[0])).toEqual(["n0001", "n0002"]);
    h.attempt(1).end("1");
    get(start(h, "add"), "n0002");
    expect(along(h)).toHaveLength(1);
  });

  test.each(["read", "lazy"])("brings nothing along to a handler like %s", (name) => {
    const { h } = filled(3, 10, { eagerStateBytesMax: 20 });
    get(start(h, name), "n0000");
    expect(along(h)).toEqual([]);
  });

  test("brings more with each read, and in all no more than 2 MiB", () => {
    const { h } = filled(5_000, KIB);
    const attempt = start(h, "add");
    for (let at = 0; at < 5_000; at += 250) get(attempt, nameOf(at));
    const sizes = along(h).map((it) => Math.round(sizeOf(it) / KIB));
    expect(sizes.slice(0, 4)).toEqual([63, 127, 253, 253]);
    const total = along(h).reduce((sum, it) => sum + sizeOf(it), 0);
    expect(total).toBeLessThanOrEqual(2 * KIB * KIB);
    expect(total).toBeGreaterThan(1.5 * KIB * KIB);
  });

  test("does not bring large values along, and looks at one of them only once", () => {
    const { h, tx } = filled(5, 100 * KIB);
    const attempt = start(h, "add");
    get(attempt, "n0000");
    expect(tx.stateBytesRead).toBe(200 * KIB);
    get(attempt, "n0001");
    expect(tx.stateBytesRead).toBe(300 * KIB);
    expect(along(h)).toEqual([]);
  });

  test("waits for the disk with what it brings while a closure may be reaching outside", () => {
    const { h } = filled(3, 10, { eagerStateBytesMax: 20 });
    const attempt = start(h, "add");
    const whenOf = (act: () => void): string[] => {
      const seen: Effect[] = [];
      const apply = h.apply.bind(h);
      h.apply = (input) => {
        const effects = apply(input);
        seen.push(...effects);
        return effects;
      };
      act();
      h.apply = apply;
      return seen.flatMap((it) =>
        it.kind === "message" && ["state", "deliver"].includes(it.message.kind)
          ? [`${it.message.kind} ${it.when}`]
          : [],
      );
    };
    expect(whenOf(() => get(attempt, "n0000"))).toEqual(["state now", "deliver now"]);
    attempt.issue({ kind: "run", completionId: 1_000, retry: null, mode: "at-least-once" });
    completionId = 1_000;
    expect(whenOf(() => get(attempt, "n0001"))).toEqual(["state durable", "deliver durable"]);
  });
});
