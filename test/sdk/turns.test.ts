import { expect, test } from "vitest";
import { Turns, type Turn } from "../../sdk/attempt/turns.ts";

const iteration = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("turns that are asked for together open together, run dry, and are closed in their order", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const turn = (name: string, more?: Turn): Turn => ({
    open: () => {
      log.push(`${name} opens`);
      void (async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve();
        log.push(`${name} is dry`);
      })();
      if (more) turns.ask(more);
    },
    close: () => log.push(`${name} closes`),
  });
  const later = turn("c");
  turns.ask(turn("a", later));
  turns.ask(turn("b"));
  expect(log).toEqual([]);
  await iteration();
  await iteration();
  await iteration();
  const first = ["a opens", "b opens", "a is dry", "b is dry", "a closes", "b closes"];
  expect(log).toEqual([...first, "c opens", "c is dry", "c closes"]);
});

test("a turn may be asked for again as it is closed", async () => {
  const turns = new Turns();
  let opened = 0;
  const turn: Turn = {
    open: () => void opened++,
    close: () => {
      if (opened < 3) turns.ask(turn);
    },
  };
  turns.ask(turn);
  for (let i = 0; i < 5; i++) await iteration();
  expect(opened).toBe(3);
});

test("of a thousand the first are closed before the last open, and what is asked for meanwhile comes last", async () => {
  const turns = new Turns();
  const log: number[] = [];
  let open = 0;
  let openMax = 0;
  const turn = (name: number): Turn => ({
    open: () => {
      openMax = Math.max(openMax, ++open);
      if (name === 0) turns.ask(turn(1_000));
    },
    close: () => {
      open--;
      log.push(name);
    },
  });
  for (let i = 0; i < 1_000; i++) turns.ask(turn(i));
  for (let i = 0; i < 40; i++) await iteration();
  expect(log).toEqual(Array.from({ length: 1_001 }, (_, i) => i));
  expect(openMax).toBeLessThanOrEqual(128);
});

test("what has begun goes before what has not, and some that begin are always among them", async () => {
  const turns = new Turns();
  const opened: string[] = [];
  const turn = (name: string): Turn => ({
    open: () => void opened.push(name),
    close: () => undefined,
  });
  for (let i = 0; i < 200; i++) turns.ask(turn("begins"), true);
  for (let i = 0; i < 200; i++) turns.ask(turn("goes on"));
  const inTurn = async (): Promise<Record<string, number>> => {
    const from = opened.length;
    await iteration();
    const now = opened.slice(from);
    return {
      "goes on": now.filter((it) => it === "goes on").length,
      begins: now.filter((it) => it === "begins").length,
    };
  };
  expect(await inTurn()).toEqual({ "goes on": 96, begins: 32 });
  expect(opened[0]).toBe("goes on");
  expect(await inTurn()).toEqual({ "goes on": 96, begins: 32 });
  expect(await inTurn()).toEqual({ "goes on": 8, begins: 120 });
  expect(await inTurn()).toEqual({ "goes on": 0, begins: 16 });
});
