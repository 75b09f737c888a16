/**
 * What each action does to an invocation in each status: every cell, also when the runtime dies right
 * after it. In the end all that can go on goes on, whoever stood behind it has had its turn, and no
 * row is left that belongs nowhere.
 */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { parseInvocationId } from "../../protocol/ids.ts";
import { loadInvocation } from "../../runtime/admin/summary.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";

const giveUp = {
  initialIntervalMs: 10,
  factor: 1,
  maxIntervalMs: 10,
  maxAttempts: 1,
  maxDurationMs: null,
  jitter: 0,
  onMaxAttempts: "pause",
} as const;
const SERVICES = [
  serviceOf("counter", "object", [
    handler("add", "exclusive"),
    handler("once", "exclusive", { retry: giveUp }),
  ]),
];

const send = (h: CoreHarness, path = "counter/a/add", delayMs = 0): InvocationId =>
  h.admittedId(h.invoke(path, { mode: "send", delayMs }));
const act = (h: CoreHarness, kind: Action, invocationId: InvocationId) =>
  h.ask((request) => ({ kind, request, invocationId }));
const hold = (h: CoreHarness, kind: "pause-key" | "resume-key") =>
  h.ask((request) => ({ kind, request, service: "counter", key: "a" }));
const holdService = (h: CoreHarness, kind: "pause-service" | "resume-service") =>
  h.ask((request) => ({ kind, request, service: "counter" }));

/** Brings an invocation of the key a into a status. Connection 1 is there at the beginning. */
const INTO: Readonly<Record<string, (h: CoreHarness) => InvocationId>> = {
  scheduled: (h) => send(h, "counter/a/add", 60_000),
  inboxed: (h) => {
    send(h);
    return send(h);
  },
  "ready, never started": (h) => {
    h.lose(1);
    return send(h);
  },
  "ready, its worker away": (h) => {
    const id = send(h);
    h.lose(1);
    return id;
  },
  running: (h) => send(h),
  "running a ctx.run": (h) => {
    const id = send(h);
    h.attempt(1).issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 1 });
    return id;
  },
  "running, its ctx.run backs off": (h) => {
    const id = INTO["running a ctx.run"]!(h);
    h.attempt(1).report(0, { error: "boom", retryAfterMs: 50_000 });
    return id;
  },
  "suspended, its ctx.run backs off": (h) => {
    const id = INTO["running, its ctx.run backs off"]!(h);
    h.attempt(1).suspend();
    return id;
  },
  "ready, its ctx.run backs off": (h) => {
    const id = INTO["running, its ctx.run backs off"]!(h);
    h.lose(1);
    return id;
  },
  suspended: (h) => {
    const id = send(h);
    h.attempt(1).issue({ kind: "sleep", durationMs: 50_000, completionId: 1 });
    h.attempt(1).suspend();
    return id;
  },
  "suspended, its worker away": (h) => {
    const id = INTO["suspended"]!(h);
    h.lose(1);
    return id;
  },
  "backing-off": (h) => {
    const id = send(h);
    h.attempt(1).fail("boom");
    return id;
  },
  "backing-off, and its ctx.run too": (h) => {
    const id = INTO["running, its ctx.run backs off"]!(h);
    h.attempt(1).fail("boom");
    return id;
  },
  "paused, asked": (h) => {
    const id = send(h);
    act(h, "pause", id);
    return id;
  },
  "paused, retries used up": (h) => {
    const id = send(h, "counter/a/once");
    h.attempt(1).fail("boom");
    return id;
  },
  "paused, never started": (h) => {
    h.lose(1);
    const id = send(h);
    act(h, "pause", id);
    h.connect(2, { services: SERVICES });
    return id;
  },
  "its key paused, never started": (h) => {
    hold(h, "pause-key");
    return send(h);
  },
  "its key paused, started": (h) => {
    const id = send(h);
    hold(h, "pause-key");
    return id;
  },
  "its key paused, suspended": (h) => {
    const id = INTO["suspended"]!(h);
    hold(h, "pause-key");
    return id;
  },
  "its service paused, never started": (h) => {
    holdService(h, "pause-service");
    return send(h);
  },
  "its service paused, started": (h) => {
    const id = send(h);
    holdService(h, "pause-service");
    return id;
  },
  completed: (h) => {
    const id = send(h);
    h.attempt(1).end("1");
    return id;
  },
};

const ACTIONS = ["cancel", "kill", "pause", "resume", "purge"] as const;
type Action = (typeof ACTIONS)[number];

/** For each action the answer ("now", "appended" or a status of HTTP) and the status after it. */
type Cells = Readonly<Record<Action, string>>;
const KILLED = "now, completed";
const TABLE: Readonly<Record<string, Cells>> = {
  scheduled: {
    cancel: "now, completed",
    kill: KILLED,
    pause: "appended, scheduled",
    resume: "425, scheduled",
    purge: "409, scheduled",
  },
  inboxed: {
    cancel: "now, completed",
    kill: KILLED,
    pause: "appended, inboxed",
    resume: "425, inboxed",
    purge: "409, inboxed",
  },
  "ready, never started": {
    cancel: "now, completed",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  "ready, its worker away": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  running: {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, running",
    purge: "409, running",
  },
  "running a ctx.run": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, running",
    purge: "409, running",
  },
  "running, its ctx.run backs off": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, running",
  },
  "suspended, its ctx.run backs off": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, suspended",
  },
  "ready, its ctx.run backs off": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, ready",
    purge: "409, ready",
  },
  suspended: {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, suspended",
    purge: "409, suspended",
  },
  "suspended, its worker away": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, suspended",
    purge: "409, suspended",
  },
  "backing-off": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, backing-off",
  },
  "backing-off, and its ctx.run too": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, backing-off",
  },
  "paused, asked": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, paused",
  },
  "paused, retries used up": {
    cancel: "appended, running",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, paused",
  },
  "paused, never started": {
    cancel: "now, completed",
    kill: KILLED,
    pause: "now, paused",
    resume: "now, running",
    purge: "409, paused",
  },
  "its key paused, never started": {
    cancel: "now, completed",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  "its key paused, started": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  "its key paused, suspended": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, suspended",
    purge: "409, suspended",
  },
  "its service paused, never started": {
    cancel: "now, completed",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  "its service paused, started": {
    cancel: "appended, ready",
    kill: KILLED,
    pause: "now, paused",
    resume: "409, ready",
    purge: "409, ready",
  },
  completed: {
    cancel: "409, completed",
    kill: "409, completed",
    pause: "409, completed",
    resume: "409, completed",
    purge: "now, gone",
  },
};

function statusOf(h: CoreHarness, id: InvocationId): string {
  const sequence = parseInvocationId(id)?.sequence ?? 0;
  const invocation = loadInvocation(h.tx, sequence);
  // Its rows may still be going; to the outside it is gone.
  return invocation === undefined || invocation.purging ? "gone" : invocation.status;
}

function answerOf(h: CoreHarness, action: Action, id: InvocationId): string {
  const response = act(h, action, id);
  if (response?.kind === "refused") return String(response.code);
  if (response?.kind !== "controlled") return `unexpected ${String(response?.kind)}`;
  expect(response.effect).toMatch(/^it/);
  return response.applied;
}

/** Lets everything go on to its end: nothing is paused, workers are there, and each attempt ends. */
function settle(h: CoreHarness, id: InvocationId): void {
  h.connect(9, { services: SERVICES });
  hold(h, "resume-key");
  holdService(h, "resume-service");
  act(h, "resume", id);
  h.advance(61_000);
  for (let round = 0; round < 10; round++) {
    for (const connection of [1, 2, 9]) {
      for (let nth = 0; nth < h.starts(connection).length; nth++) {
        h.attempt(connection, nth).end('"done"');
      }
    }
    act(h, "resume", id);
  }
}

test("the table has a row for each status", () => {
  expect(Object.keys(TABLE)).toEqual(Object.keys(INTO));
});

describe.each(Object.keys(INTO))("what is %s", (status) => {
  test.each(ACTIONS.flatMap((action) => [`${action}`, `${action}, and the runtime dies`]))(
    "%s",
    (title) => {
      const [action = "cancel"] = title.split(",") as Action[];
      const h = new CoreHarness();
      h.connect(1, { services: SERVICES });
      const id = INTO[status]!(h);
      const behind = send(h);
      const answer = answerOf(h, action, id);
      expect(`${answer}, ${statusOf(h, id)}`).toBe(TABLE[status]?.[action]);
      expect(brokenReferences(h.tx)).toEqual([]);
      if (title.endsWith("dies")) {
        const after = statusOf(h, id);
        h.restart();
        expect(statusOf(h, id)).toBe(after === "running" ? "ready" : after);
      }
      settle(h, id);
      expect(statusOf(h, id)).toBe(
        action === "purge" && status === "completed" ? "gone" : "completed",
      );
      expect(statusOf(h, behind)).toBe("completed");
      expect(brokenReferences(h.tx)).toEqual([]);
      // Locks, inboxes, ready and active rows, pauses, parked, pending, runs.
      expect([...h.tx.rows.keys()].filter((key) => /^[kqRazZxpr]/.test(key))).toEqual([]);
    },
  );
});
