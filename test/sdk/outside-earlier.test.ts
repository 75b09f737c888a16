/** What the code asks for from outside a turn may come earlier in a replay, and something new behind it. */
import { expect, test } from "vitest";
import type { Command, ReplayEntry } from "../../protocol/command.ts";
import { ReplayMachine, type MachineHost } from "../../sdk/attempt/machine.ts";

const clear = (key: string) => ({ kind: "clear-state", name: "", key }) as const;
const sleep = { kind: "sleep", name: "", durationMs: 1 } as const;
const awoken = (completionId: number): ReplayEntry => ({
  kind: "delivery",
  delivery: { kind: "completion", completionId, result: { kind: "void" } },
});

/** Has issued two sleeps, and has the first delivery behind it. */
function begun(journal: readonly ReplayEntry[]) {
  const issued: Command[] = [];
  const nothing = (): void => undefined;
  const host: MachineHost = {
    issue: (command) => issued.push(command),
    mismatch: (failure) => {
      throw new Error(failure.message);
    },
    cancelled: nothing,
    outside: nothing,
    wake: nothing,
    waitsAnew: nothing,
  };
  const machine = new ReplayMachine(host);
  machine.load(journal);
  machine.openTurn();
  for (const _ of [1, 2]) machine.issue(sleep, { command: undefined, settle: nothing });
  machine.closeTurn();
  if (machine.next() === "deliver") {
    machine.openTurn();
    machine.closeTurn();
  }
  return { machine, issued };
}

test("a replay waits for it where it was recorded, and does not record it once more", () => {
  const inside = { after: 0, outside: false };
  const journal: ReplayEntry[] = [
    { kind: "command", command: { ...sleep, ...inside, index: 0, completionId: 1 } },
    { kind: "command", command: { ...sleep, ...inside, index: 1, completionId: 2 } },
    awoken(1),
    awoken(2),
    { kind: "command", command: { ...clear("a"), index: 2, after: 2, outside: true } },
  ];
  const earlier = begun(journal);
  earlier.machine.issue(clear("a"));
  earlier.machine.issue(clear("b"));
  expect(earlier.issued).toMatchObject([{ key: "b", index: 3, after: 1 }]);
  const grown = earlier.issued.map((command): ReplayEntry => ({ kind: "command", command }));

  const { machine, issued } = begun([...journal, ...grown]);
  expect(machine.next()).toBe("await-outside");
  machine.issue(clear("a"));
  machine.issue(clear("b"));
  expect(machine.next()).toBe("deliver");
  machine.openTurn();
  machine.closeTurn();
  expect([issued, machine.settle()]).toEqual([[], true]);
});
