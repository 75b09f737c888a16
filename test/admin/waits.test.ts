/** Each thing that an invocation can wait for is named: what it is, which one, and since when. */
import { describe, expect, test } from "vitest";
import { bytes } from "../support/core-harness.ts";
import { AdminHarness } from "./support.ts";

const START_MS = 1_000_000;
const at = (ms: number): string => new Date(START_MS + ms).toISOString();

function harness(): AdminHarness {
  const h = new AdminHarness();
  h.workers.set("dev", { connected: 1, serving: 1 });
  h.connect(1);
  h.advance(100);
  return h;
}

const call = (key: string, completionId: number) =>
  ({
    kind: "call",
    target: { service: "counter", key, handler: "add" },
    parameter: bytes("1"),
    headers: [],
    idempotencyKey: null,
    completionId,
  }) as const;

const ANSWERED = { service: "greeter", handler: "greet", key: null };

describe("before it runs", () => {
  test("a delayed send waits for its start", async () => {
    const h = harness();
    const id = h.accept("greeter/greet", 5_000);
    expect(await h.waits(id)).toEqual([{ kind: "start-time", until: at(5_100), since: at(100) }]);
  });

  test("the inboxed wait for the holder of the key, since when, and behind how many", async () => {
    const h = harness();
    const holder = h.accept("counter/a/add");
    h.advance(50);
    h.accept("counter/a/add");
    h.advance(50);
    const id = h.accept("counter/a/add");
    h.advance(1_000);
    const target = { service: "counter", key: "a", handler: "add" };
    expect(await h.waits(id)).toEqual([
      {
        kind: "key",
        service: "counter",
        key: "a",
        holder: { id: holder, target, status: "running", statusSince: at(100) },
        heldSince: at(100),
        ahead: 1,
        waiting: 2,
        since: at(200),
      },
    ]);
  });

  test("a holder that took over holds the key since then", async () => {
    const h = harness();
    const first = h.accept("counter/a/add");
    const second = h.accept("counter/a/add");
    const third = h.accept("counter/a/add");
    h.advance(700);
    h.attemptOf(1, first).end("1");
    expect(await h.waits(third)).toMatchObject([
      { kind: "key", heldSince: at(800), ahead: 0, since: at(100), holder: { id: second } },
    ]);
  });

  test("who is far behind in a long inbox is not counted for", async () => {
    const h = harness();
    const ids = Array.from({ length: 2_003 }, () => h.accept("counter/a/add"));
    const [, first] = ids;
    const [nearly, last] = ids.slice(-2);
    if (first === undefined || nearly === undefined || last === undefined) throw new Error("none");
    expect(await h.waits(first)).toMatchObject([{ kind: "key", ahead: 0, waiting: 2_002 }]);
    expect(await h.waits(nearly)).toMatchObject([{ kind: "key", ahead: 2_000 }]);
    expect(await h.waits(last)).toMatchObject([{ kind: "key", ahead: null, waiting: 2_002 }]);
  });

  test.each([
    ["no-worker", { connected: 0, serving: 0 }],
    ["not-served", { connected: 2, serving: 0 }],
    ["no-room", { connected: 2, serving: 2 }],
  ] as const)("the ready wait for a worker of their deployment: %s", async (reason, workers) => {
    const h = harness();
    h.lose(1);
    h.workers.set("dev", workers);
    const id = h.accept("greeter/greet");
    expect(await h.waits(id)).toEqual([
      {
        kind: "worker",
        service: "greeter",
        deployment: "dev",
        workers: workers.connected,
        reason,
        since: at(100),
      },
    ]);
  });

  test("what has started waits for the deployment that it is pinned to", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    h.connect(2, { version: "v2" });
    h.lose(1);
    h.workers.delete("dev");
    expect(await h.waits(id)).toMatchObject([{ kind: "worker", deployment: "dev", workers: 0 }]);
  });
});

describe("while it runs or is suspended", () => {
  test("every outstanding command, with its name and its time", async () => {
    const h = harness();
    const id = h.accept("signup/x/run");
    const other = h.accept("greeter/greet");
    const attempt = h.attemptOf(1, id);
    attempt.issue({ kind: "sleep", durationMs: 9_000, completionId: 1 }, { name: "cool off" });
    h.advance(10);
    attempt.issue(call("a", 2), { name: "add it" });
    h.advance(10);
    attempt.issue({ kind: "attach", invocationId: other, completionId: 3 });
    attempt.issue({ kind: "awakeable", completionId: 4 }, { name: "approval" });
    attempt.issue({ kind: "get-promise", promise: "done", completionId: 5 });
    attempt.issue({ kind: "await-signal", signal: "go" });
    h.advance(10);
    attempt.issue(
      { kind: "run", mode: "at-least-once", retry: null, completionId: 7 },
      { name: "charge" },
    );
    expect(await h.waits(id)).toMatchObject([
      { kind: "sleep", until: at(9_100), command: 0, name: "cool off", since: at(100) },
      {
        kind: "call",
        command: 1,
        name: "add it",
        since: at(110),
        invocation: { target: { service: "counter", key: "a" }, status: "running" },
      },
      { kind: "attach", command: 2, since: at(120), invocation: { id: other } },
      {
        kind: "awakeable",
        command: 3,
        name: "approval",
        since: at(120),
        awakeableId: expect.stringMatching(/^sign_|^prom_|^awk_/),
      },
      { kind: "promise", promise: "done", command: 4, since: at(120) },
      { kind: "run", name: "charge", mode: "at-least-once", command: 6, tries: 1, since: at(130) },
      { kind: "signal", signal: "go", command: 5, since: at(120) },
    ]);
  });

  test("a failing run says what failed and when it is tried again", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    const attempt = h.attemptOf(1, id);
    const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
    const command = attempt.issue(run, { name: "charge" });
    const failure = { name: "Error", message: "card declined", code: 500 };
    const said = { attempt: attempt.handle, command, try: 1, failure, retryAfterMs: 5_000 };
    h.say(1, { kind: "run-failed", ...said });
    h.advance(1_200);
    expect(await h.describe(id)).toMatchObject({
      status: "backing-off",
      spentMs: { running: 1_200, "runs-backing-off": 1_200 },
      waitsFor: [
        { kind: "run", name: "charge", failures: 1, lastFailure: failure, nextTryAt: at(5_100) },
      ],
      lastFailure: { entry: { command: 0, kind: "run", name: "charge" } },
    });
  });

  test("a back-off says until when; a command that is answered is no wait", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    const attempt = h.attemptOf(1, id);
    attempt.issue({ kind: "date", completionId: 1 });
    attempt.fail("boom");
    const { nextRetryAt } = await h.describe(id);
    expect(await h.waits(id)).toEqual([{ kind: "retry", until: nextRetryAt, since: at(100) }]);
  });

  test("what nobody waits for any more is not shown, and what has ended waits for nothing", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    const attempt = h.attemptOf(1, id);
    attempt.issue({ kind: "sleep", durationMs: 9_000, completionId: 1 });
    attempt.issue({ kind: "withdraw", completionId: 1 });
    expect(await h.waits(id)).toEqual([]);
    attempt.issue({ kind: "await-signal", signal: "go" });
    attempt.end("1");
    expect(await h.waits(id)).toEqual([]);
  });
});

describe("a pause", () => {
  test("that was asked for is named, with what to do", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    expect(await h.waits(id)).toMatchObject([
      {
        kind: "pause",
        scope: "invocation",
        hint: expect.stringContaining("resume"),
        since: at(100),
      },
    ]);
  });

  test("of its key or its service is named in place of a worker", async () => {
    const h = harness();
    h.ask((request) => ({ kind: "pause-key", request, service: "counter", key: "a" }));
    h.advance(50);
    const id = h.accept("counter/a/add");
    const ofKey = { kind: "pause", scope: "key", reason: "asked", since: at(100) };
    expect(await h.waits(id)).toMatchObject([
      { ...ofKey, hint: expect.stringContaining("counter a") },
    ]);
    h.ask((request) => ({ kind: "pause-service", request, service: "counter" }));
    const ofService = { kind: "pause", scope: "service", reason: "asked", since: at(150) };
    expect(await h.waits(id)).toMatchObject([ofKey, ofService]);
    const paused = (await h.reads.listServices()).filter((it) => it.pausedSince !== null);
    expect(paused).toMatchObject([{ name: "counter", pausedSince: at(150) }]);
    h.ask((request) => ({ kind: "resume-key", request, service: "counter", key: "a" }));
    expect(await h.waits(id)).toMatchObject([ofService]);
  });

  test("that was asked for before its turn is told before it comes", async () => {
    const h = harness();
    h.accept("counter/a/add");
    const id = h.accept("counter/a/add");
    h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    expect(await h.describe(id)).toMatchObject({ pauseRequested: true, status: "inboxed" });
  });
});

describe("what a description costs", () => {
  test("a long journal is not read: its last entries, and rows that waits point at", async () => {
    const h = harness();
    const id = h.accept("counter/a/add");
    const attempt = h.attemptOf(1, id);
    attempt.issue({ kind: "sleep", durationMs: 90_000, completionId: 1 }, { name: "old" });
    for (let i = 0; i < 3_000; i++) {
      attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
    }
    let read = 0;
    const range = h.tx.range.bind(h.tx);
    h.tx.range = (it) => {
      const rows = range(it);
      read += rows.length;
      return rows;
    };
    // Signals apart: for them there is no row, and the bound of 10,000 entries is above this.
    await h.graph(id);
    expect(read).toBeLessThan(300);
    const described = await h.describe(id);
    expect(described.waitsFor).toMatchObject([{ kind: "sleep", name: "old", command: 0 }]);
    expect(described.journalLength).toBe(3_001);
    expect(described.journal.map((it) => it.index)).toEqual(
      Array.from({ length: 100 }, (_, i) => 2_901 + i),
    );
  });

  /** Up to 1,000 commands were looked up, each with all that it was given; 10 GB, if they were large. */
  describe("in bytes", () => {
    const MIB = 1024 * 1024;
    const large = { ...call("", 0), parameter: new Uint8Array(MIB) };

    /** Of journals alone: the rows of nothing else are large here. */
    function countJournalBytes(h: AdminHarness): () => number {
      let read = 0;
      const [get, range] = [h.tx.get.bind(h.tx), h.tx.range.bind(h.tx)];
      h.tx.get = (key) => {
        const row = get(key);
        if (key.startsWith("j")) read += row?.length ?? 0;
        return row;
      };
      h.tx.range = (it) => {
        const rows = range(it);
        for (const [key, row] of rows) if (key.startsWith("j")) read += row.length;
        return rows;
      };
      return () => read;
    }

    test("a description of many large commands is bounded, and says what it leaves out", async () => {
      const h = harness();
      const id = h.accept("counter/a/add");
      const attempt = h.attemptOf(1, id);
      for (let i = 1; i <= 100; i++) attempt.issue({ ...large, completionId: i });
      const bytesRead = countJournalBytes(h);
      const { waitsFor, waitsForCut, journal } = await h.describe(id, { from: 0, limit: 200 });
      // For what it waits for, and for the page of its journal.
      expect(bytesRead()).toBeLessThan(2 * 17 * MIB);
      expect(waitsFor.length).toBeGreaterThan(10);
      expect(journal.length).toBeGreaterThan(10);
      expect(waitsForCut).toEqual([`${100 - waitsFor.length} more outstanding commands`]);
    });

    test("so is a graph of many such", async () => {
      const h = harness();
      const ids = ["a", "b", "c", "d"].map((key) => h.accept(`counter/${key}/add`));
      for (const [nth, id] of ids.entries()) {
        const next = ids[nth + 1];
        const attempt = h.attemptOf(1, id);
        if (next) attempt.issue({ kind: "attach", invocationId: next, completionId: 1 });
        for (let i = 2; i <= 10; i++) attempt.issue({ ...large, completionId: i });
      }
      const bytesRead = countJournalBytes(h);
      const { nodes, cut } = await h.graph(ids[0] ?? h.accept("greeter/greet"));
      expect(bytesRead()).toBeLessThan(17 * MIB);
      expect(nodes.length).toBeGreaterThan(1);
      expect(cut).toBe(true);
    });

    test("signals are looked for from the end, as far as that goes", async () => {
      const h = harness();
      const id = h.accept("counter/a/add");
      const attempt = h.attemptOf(1, id);
      attempt.issue({ kind: "await-signal", signal: "early" });
      const value = new Uint8Array(MIB);
      for (let i = 0; i < 40; i++) attempt.issue({ kind: "set-state", key: "x", value });
      attempt.issue({ kind: "await-signal", signal: "late" });
      const bytesRead = countJournalBytes(h);
      const { waitsFor, waitsForCut } = await h.describe(id, { from: 0, limit: 0 });
      expect(bytesRead()).toBeLessThan(18 * MIB);
      expect(waitsFor).toMatchObject([{ kind: "signal", signal: "late" }]);
      expect(waitsForCut).toEqual([expect.stringMatching(/signals awaited before entry 2\d /)]);
    });

    test("who is named by what a completion answers is not looked for beyond that", async () => {
      const h = harness();
      const id = h.accept("counter/a/add");
      const attempt = h.attemptOf(1, id);
      for (let i = 1; i <= 60; i++) attempt.issue({ ...large, target: ANSWERED, completionId: i });
      for (let i = 0; i < 60; i++) h.attempt(1, i + 1).end("1");
      const bytesRead = countJournalBytes(h);
      const { journal } = await h.describe(id, { from: 60, limit: 60 });
      expect(bytesRead()).toBeLessThan(2 * 24 * MIB);
      expect(journal.length).toBe(60);
      expect(journal.filter((it) => it.command === null).length).toBeGreaterThan(0);
      expect(journal[0]).toMatchObject({ kind: "completion", command: 0 });
    });
  });

  test("a completion is named by its command, however far apart they are", async () => {
    const h = harness();
    const id = h.accept("counter/a/add");
    const attempt = h.attemptOf(1, id);
    attempt.issue({ kind: "awakeable", completionId: 1 }, { name: "first" });
    attempt.issue({ kind: "sleep", durationMs: 500, completionId: 2 }, { name: "nap" });
    for (let i = 0; i < 200; i++) {
      attempt.issue({ kind: "set-state", key: "x", value: bytes("1") });
    }
    for (let i = 0; i < 200; i++) attempt.issue({ kind: "awakeable", completionId: 3 + i });
    h.advance(500);
    const { journal } = await h.describe(id, { from: null, limit: 1 });
    expect(journal).toMatchObject([{ index: 402, kind: "completion", command: 1, name: "nap" }]);
  });

  test("a page of the journal is what was asked for", async () => {
    const h = harness();
    const id = h.accept("counter/a/add");
    const attempt = h.attemptOf(1, id);
    for (let i = 0; i < 300; i++) attempt.issue({ kind: "awakeable", completionId: i + 1 });
    const page = async (from: number, limit: number): Promise<number[]> =>
      (await h.describe(id, { from, limit })).journal.map((it) => it.index);
    expect(await page(10, 3)).toEqual([10, 11, 12]);
    expect(await page(298, 50)).toEqual([298, 299]);
    expect(await page(300, 50)).toEqual([]);
    expect(await page(0, 0)).toEqual([]);
  });

  test("what is cut says so", async () => {
    const h = harness();
    const id = h.accept("counter/a/add");
    const attempt = h.attemptOf(1, id);
    for (let i = 0; i < 1_003; i++) attempt.issue({ kind: "awakeable", completionId: i + 1 });
    const described = await h.describe(id);
    expect(described.waitsFor).toHaveLength(1_000);
    expect(described.waitsForCut).toEqual(["3 more outstanding commands"]);
    const { cut } = await h.graph(id);
    expect(cut).toBe(true);
  });

  test("every read confirms that the epoch is its own", async () => {
    const h = harness();
    const id = h.accept("counter/a/add");
    await h.describe(id);
    await h.graph(id);
    await h.reads.listDeployments();
    await h.reads.listServices();
    await h.reads.countInvocations();
    await h.reads.listInvocations({ statuses: [] }, { limit: 1, after: null });
    expect(h.confirmed).toBe(6);
  });
});

describe("where the time went", () => {
  test("is told with the time in the present status", async () => {
    const h = harness();
    h.accept("counter/a/add");
    const id = h.accept("counter/a/add");
    h.advance(1_200);
    h.attempt(1, 0).end("1");
    h.advance(30);
    const { spentMs } = await h.describe(id);
    expect([spentMs.inboxed, spentMs.running, spentMs.ready]).toEqual([1_200, 30, 0]);
    h.attempt(1).end("1");
    h.advance(9_000);
    expect((await h.describe(id)).spentMs).toEqual(spentMs);
  });
});
