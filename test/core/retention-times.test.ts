/** How long results, names and journals are kept: the table of defaults and of what handlers say. */
import { describe, expect, test } from "vitest";
import { PURGE_STEP_MS } from "../../runtime/core/purge.ts";
import { handler, serviceOf } from "../support/core-harness.ts";
import { fill, NOT_FOUND, Retention } from "../support/retention.ts";

describe("how long what is kept", () => {
  const KEYED = { idempotencyKey: "k" };
  test.each([
    ["without a name", "counter/a/add", {}, { journal: 3_000 }, { rest: 3_000, journal: null }],
    ["idempotency key", "counter/a/add", KEYED, {}, { rest: 10_000, journal: null }],
    [
      "idempotency key",
      "counter/a/add",
      KEYED,
      { journal: 3_000 },
      { rest: 10_000, journal: 3_000 },
    ],
    ["capped", "counter/a/add", KEYED, { journal: 30_000 }, { rest: 10_000, journal: null }],
    ["key, none", "counter/a/add", KEYED, { journal: 0 }, { rest: 10_000, journal: 0 }],
    ["workflow", "signup/a/run", {}, { journal: 3_000 }, { rest: 10_000, journal: 3_000 }],
    ["workflow, capped", "signup/a/run", {}, { journal: 30_000 }, { rest: 10_000, journal: null }],
    [
      "workflow, shared",
      "signup/a/confirm",
      {},
      { journal: 3_000 },
      { rest: 3_000, journal: null },
    ],
    ["nothing at all", "counter/a/add", {}, { journal: 0 }, { rest: 0, journal: null }],
  ])("%s: %s %j %j", (_what, path, options, { journal = 10_000 }: { journal?: number }, kept) => {
    const h = new Retention({ journalRetentionMs: journal });
    const id = h.admittedId(h.invoke(path, { ...options, mode: "send" }));
    const attempt = h.attempt(1);
    fill(attempt, 2);
    const endedAtMs = h.nowMs;
    attempt.end("1");
    h.sound();
    const ref = { kind: "id", invocationId: id } as const;
    if (kept.journal !== null) {
      h.advance(kept.journal - 1);
      expect(h.entries()).toBe(2);
      h.advance(1 + PURGE_STEP_MS);
      expect(h.entries()).toBe(0);
      h.sound();
      expect(h.output(ref)).toMatchObject({ kind: "completed" });
    }
    h.nowMs = Math.max(h.nowMs, endedAtMs + kept.rest - 1);
    if (kept.rest > 0) {
      h.apply({ kind: "timers-due" });
      expect(h.output(ref)).toMatchObject({ kind: "completed" });
    }
    h.advance(1 + PURGE_STEP_MS);
    expect(h.output(ref)).toMatchObject(NOT_FOUND);
    expect(h.left()).toEqual([]);
  });

  test("a handler says it for itself, in the version that ran it", () => {
    const h = new Retention();
    const services = (retentionMs: number | null) => [
      serviceOf("counter", "object", [
        handler("add", "exclusive", {
          idempotencyRetentionMs: retentionMs,
          journalRetentionMs: retentionMs,
        }),
      ]),
    ];
    h.connect(2, { version: "v1", services: services(500) });
    h.invoke("counter/a/add", { idempotencyKey: "k" });
    h.connect(3, { version: "v2", services: services(null) });
    h.attempt(2).end("1");
    h.advance(500);
    expect(h.left()).toEqual([]);
  });

  test.each([Infinity, 1e300, 2 ** 53, 0.5, -1, Number.NaN])(
    "a retention of %d ms stops nothing and is kept as well as it can be",
    (retentionMs) => {
      const h = new Retention();
      const services = [
        serviceOf("greeter", "service", [
          handler("greet", "stateless", { journalRetentionMs: retentionMs }),
        ]),
      ];
      h.connect(2, { version: "v1", services });
      const request = h.invoke("greeter/greet");
      h.attempt(2).end("1");
      expect(h.responses.get(request)).toMatchObject({ kind: "completed" });
      h.sound();
      h.advance(100 * 366 * 86_400_000);
      expect(h.left().length > 0).toBe(retentionMs > 1e12);
    },
  );
});
