/**
 * T22: room for what is new. Outside is told to come again; a handler's call or send is refused for
 * now, which fails its attempt and loses nothing. A refused send is never dropped.
 */
import { describe, expect, test } from "vitest";
import type { Limits } from "../../runtime/core/limits.ts";
import { type CoreHarness, handler, serviceOf } from "../support/core-harness.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { call, expectRefused, harness, send } from "../support/refusals.ts";

describe("T22: room for what is new", () => {
  const FULL = [
    [
      "the inbox of a key",
      { inboxLengthMax: 2 },
      /2 invocations wait for the key of counter\/a, the limit inboxLengthMax is 2/,
    ],
    [
      "all that is pending",
      { pendingMax: 4 },
      /4 invocations are pending, the limit pendingMax is 4/,
    ],
  ] as const;

  /** One sender, and the key held with one or two waiting: pending 3 or 4 in all. */
  function fullUpTo(limits: Partial<Limits>, waiting: number): CoreHarness {
    const h = harness(limits);
    h.invoke("greeter/greet");
    for (let i = 0; i <= waiting; i++) h.invoke("counter/a/add", { mode: "send" });
    return h;
  }

  test.each(FULL)(
    "%s: from outside it is a 429, before anything is kept",
    (_what, limits, message) => {
      const h = fullUpTo(limits, 1);
      const last = h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" });
      expect(h.responses.get(last)).toMatchObject({ kind: "accepted" });
      const rows = [...h.tx.rows.keys()];
      for (const mode of ["call", "send"] as const) {
        const refused = { code: 429, message: expect.stringMatching(message) as string };
        expect(h.responses.get(h.invoke("counter/a/add", { mode }))).toMatchObject(refused);
      }
      expect([...h.tx.rows.keys()]).toEqual(rows);
      // What was accepted before is found, however full it is.
      const again = h.invoke("counter/a/add", { mode: "send", idempotencyKey: "k" });
      expect(h.responses.get(again)).toMatchObject({ status: "PreviouslyAccepted" });
      // And when there is room there is room.
      h.attempt(1).end("1");
      const next = h.invoke("counter/a/add", { mode: "send" });
      expect(h.responses.get(next)).toMatchObject({ kind: "accepted" });
    },
  );

  test.each(FULL)("%s: a handler's call and send come again", (_what, limits, message) => {
    for (const command of [call("counter/a/add", 1), send("counter/a/add")]) {
      const h = fullUpTo(limits, 2);
      const sender = h.attempt(1, 0);
      const holder = h.attempt(1, 1);
      const before = h.starts(1).length;
      sender.issue(command);
      expect(sender.aborts()).toMatchObject([{ reason: expect.stringMatching(message) as string }]);
      expect(sender.deliveries()).toEqual([]);
      expect(h.tx.rows.size).toBeGreaterThan(0);
      holder.end("1");
      h.advance(60_000);
      const again = h.attempt(1);
      expect(again.start).toMatchObject({ target: { service: "greeter" }, commandCount: 0 });
      again.issue(command);
      expect(again.aborts()).toEqual([]);
      expect(h.starts(1).length).toBeGreaterThan(before);
      expect(brokenReferences(h.tx)).toEqual([]);
    }
  });

  test("a delayed send joins a full inbox when it is due: it was accepted", () => {
    const h = fullUpTo({ inboxLengthMax: 2 }, 2);
    const delayed = h.invoke("counter/a/add", { mode: "send", delayMs: 1_000 });
    expect(h.responses.get(delayed)).toMatchObject({ kind: "accepted" });
    h.advance(1_000);
    expect(brokenReferences(h.tx)).toEqual([]);
    for (let i = 0; i < 4; i++) h.attempt(1).end("1");
    expect(h.starts(1).length).toBe(5);
  });

  test("a shared handler of a key whose inbox is full is not refused", () => {
    const h = fullUpTo({ inboxLengthMax: 2 }, 2);
    h.invoke("counter/a/read");
    expect(h.attempt(1).start.target.handler).toBe("read");
  });
});

describe("a disk that is nearly full", () => {
  test("stops what is new from outside, and lets running work finish", () => {
    const h = harness({});
    h.invoke("greeter/greet", { idempotencyKey: "k" });
    h.apply({ kind: "disk-space", low: true });
    const rows = h.tx.rows.size;
    const refused = {
      code: 503,
      message: expect.stringContaining(
        "the disk is nearly full: less than diskFreeBytesMin",
      ) as string,
    };
    expect(h.responses.get(h.invoke("greeter/greet"))).toMatchObject(refused);
    expect(h.responses.get(h.invoke("greeter/greet", { mode: "send" }))).toMatchObject(refused);
    expect(h.tx.rows.size).toBe(rows);
    const running = h.attempt(1);
    running.issue(send("counter/a/add"));
    running.issue(call("counter/b/add", 1));
    expect(h.starts(1).length).toBe(3);
    h.attempt(1).end("2");
    expect(running.deliveries().length).toBe(1);
    const again = h.invoke("greeter/greet", { idempotencyKey: "k" });
    running.end("1");
    expect(h.responses.get(again)).toMatchObject({ kind: "completed" });
    h.apply({ kind: "disk-space", low: false });
    h.invoke("greeter/greet");
    expect(h.starts(1).length).toBe(4);
  });
});

/** A send to what is not there was dropped, with a warning: nobody waits for a send, so it was lost. */
describe("a send that is refused is not lost", () => {
  test.each([
    ["an unknown service", "nobody//greet", /service 'nobody' not found/],
    ["an unknown handler", "greeter//shout", /the handler 'shout' was not found/],
    ["an object without a key", "counter//add", /'counter' is an object/],
  ])("to %s: it fails its attempt", (_what, to, message) => {
    const h = harness({});
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    expectRefused(h, attempt, () => attempt.issue(send(to)), message);
  });

  test("once the service is there it is sent", () => {
    const h = harness({});
    h.invoke("greeter/greet");
    h.attempt(1).issue(send("late//greet"));
    const services = [greeterAs("late")];
    h.connect(2, { version: "late", services });
    h.advance(60_000);
    h.attempt(1).issue(send("late//greet"));
    h.attempt(1).end("1");
    expect(h.starts(2).length).toBe(1);
  });

  test("a call of what is not there fails for good, and its caller is told", () => {
    const h = harness({});
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    attempt.issue(call("nobody//greet", 1));
    expect(attempt.deliveries()).toMatchObject([{ result: { failure: { code: 404 } } }]);
    expect(attempt.aborts()).toEqual([]);
  });
});

function greeterAs(name: string) {
  return serviceOf(name, "service", [handler("greet", "stateless")]);
}
