/**
 * While somebody stands in a queue of a full worker, that worker is asked for room.
 *
 * Found by the simulation (seed 30003358): room was asked for by who came to a full worker, and by
 * nobody who already stood in a queue as it filled up. With one place per worker, a caller whose callee
 * stood behind it kept the place: for an inactivity timeout, or for ever when signals kept coming.
 */
import { expect, test } from "vitest";
import { CoreHarness } from "../support/core-harness.ts";

const asked = (h: CoreHarness): number => h.messages(1, "make-room").length;

function send(h: CoreHarness, ...bodies: readonly string[]): void {
  for (const body of bodies) h.invoke("greeter/greet", { body, mode: "send" });
}

/** Connected and gone again: what is sent then waits for a worker. */
function withoutWorker(): CoreHarness {
  const h = new CoreHarness();
  h.connect(9);
  h.lose(9);
  return h;
}

test("a worker that fills up as it connects is asked for room by who is left standing", () => {
  const h = withoutWorker();
  send(h, "1", "2");
  h.connect(1, { concurrency: 1 });
  expect(h.starts(1).length).toBe(1);
  expect(asked(h)).toBe(1);
});

test("nobody asks for room when nobody is left standing", () => {
  const h = withoutWorker();
  send(h, "1");
  h.connect(1, { concurrency: 1 });
  expect(h.starts(1).length).toBe(1);
  expect(asked(h)).toBe(0);
});

test("who stands behind more than a worker has places asks again once these have left", () => {
  const h = new CoreHarness();
  h.connect(1, { concurrency: 1 });
  send(h, "1", "2", "3");
  expect(asked(h)).toBe(1);
  h.attempt(1).end("1");
  expect(asked(h)).toBe(2);
  h.attempt(1).end("2");
  expect(asked(h)).toBe(2);
});

test("an attempt that had been given up may have taken a wish along: it is asked for again", () => {
  const h = new CoreHarness();
  h.connect(1, { concurrency: 1 });
  send(h, "1", "2", "3");
  const first = h.attempt(1);
  h.ask((request) => ({ kind: "kill", request, invocationId: first.start.invocationId }));
  expect(h.starts(1).length).toBe(2);
  const before = asked(h);
  first.end("1");
  expect(asked(h)).toBe(before + 1);
});

test("with two full workers, the second who comes asks the other one", () => {
  const h = new CoreHarness();
  h.connect(1, { concurrency: 1 });
  h.connect(2, { concurrency: 1 });
  send(h, "1", "2", "3", "4");
  expect([1, 2].map((it) => h.messages(it, "make-room").length)).toEqual([1, 1]);
});
