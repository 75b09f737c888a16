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
