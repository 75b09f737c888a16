/** The journal that an attempt goes over, in however many messages it came. */
import { expect, test } from "vitest";
import type { Command, ReplayEntry } from "../../protocol/command.ts";
import { Recorded } from "../../sdk/attempt/recorded.ts";

const command = (index: number, after: number, outside = false): ReplayEntry => ({
  kind: "command",
  command: { kind: "clear-state", name: "", key: String(index), index, after, outside },
});
const patch = (index: number): ReplayEntry => ({
  kind: "command",
  command: { kind: "patched", name: "", patch: "p", index, after: 0, outside: false },
});
const delivery = (): ReplayEntry => ({ kind: "delivery", delivery: { kind: "cancellation" } });

/** The third delivery was accepted before the last commands of the turn before it: they came late. */
const JOURNAL: readonly ReplayEntry[] = [
  patch(0),
  command(1, 0),
  command(2, 0, true),
  delivery(),
  command(3, 1),
  delivery(),
  delivery(),
  command(4, 2, true),
  command(5, 2),
  command(6, 3, true),
  command(7, 3),
];

function indexes(...commands: (Command | undefined)[]): (number | undefined)[] {
  return commands.map((it) => it?.index);
}

test.each([1, 2, 3, 5, 11])("a journal in messages of %d entries is gone over in order", (size) => {
  const recorded = new Recorded();
  for (let at = 0; at < JOURNAL.length; at += size) recorded.load(JOURNAL.slice(at, at + size));
  expect([recorded.left, recorded.deliveriesLeft, recorded.empty]).toEqual([7, 3, false]);
  const taken: unknown[] = [];
  for (let made = 0; made <= 3; made++) {
    if (made > 0) expect(recorded.takeDelivery()).toEqual({ kind: "cancellation" });
    for (let it = recorded.nextInside(made); it; it = recorded.nextInside(made)) {
      taken.push(it.index);
      recorded.takeInside(made);
    }
    const outside = recorded.firstOutside(made);
    if (outside) taken.push(recorded.takeOutside(made, outside)?.index);
    expect(indexes(recorded.nextInside(made), recorded.firstOutside(made))).toEqual(
      indexes(undefined, undefined),
    );
  }
  expect(taken).toEqual([1, 2, 3, 5, 4, 7, 6]);
  expect([recorded.left, recorded.deliveriesLeft, recorded.first()]).toEqual([0, 0, undefined]);
});

test("the first command of later turns is named, whether from inside a turn or outside", () => {
  const recorded = new Recorded();
  recorded.load(JOURNAL);
  expect(indexes(recorded.first())).toEqual([1]);
  recorded.takeInside(0);
  expect(indexes(recorded.first(), recorded.firstAfter(0))).toEqual([2, 3]);
});

test("a command from outside a turn may come earlier than it did, never later", () => {
  const recorded = new Recorded();
  recorded.load(JOURNAL);
  const late = JOURNAL[9];
  if (late?.kind !== "command") throw new Error("it is a command");
  expect(recorded.takeOutside(4, late.command)).toBeUndefined();
  expect(recorded.takeOutside(1, late.command)?.index).toBe(6);
  expect(recorded.left).toBe(6);
  expect(recorded.hadOutsideFrom(3)).toBe(true);
});

/** A replay had the first one earlier than it was recorded, and then something new. */
test("of commands from outside a turn a later one may be one of an earlier turn", () => {
  const recorded = new Recorded();
  const [first, then] = [command(0, 2, true), command(1, 1, true)];
  recorded.load([delivery(), delivery(), first, then]);
  expect(indexes(recorded.firstOutside(1), recorded.firstOutside(2))).toEqual([1, 0]);
  if (then.kind !== "command") throw new Error("it is a command");
  expect(recorded.takeOutside(1, then.command)?.index).toBe(1);
  expect(indexes(recorded.firstOutside(1), recorded.firstOutside(2))).toEqual([undefined, 0]);
});

test("of two from outside a turn that are the same the one of the earlier turn is taken first", () => {
  const recorded = new Recorded();
  const same = (index: number, after: number): ReplayEntry => ({
    kind: "command",
    command: { kind: "clear-state", name: "", key: "k", index, after, outside: true },
  });
  const [later, earlier] = [same(0, 2), same(1, 1)];
  recorded.load([delivery(), delivery(), later, earlier]);
  if (later.kind !== "command") throw new Error("it is a command");
  const taken = [recorded.takeOutside(1, later.command), recorded.takeOutside(1, later.command)];
  expect(indexes(...taken)).toEqual([1, 0]);
});
