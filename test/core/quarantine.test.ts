/**
 * What one damaged row leads to, kind by kind. That nothing at all throws, whichever row it is, shows
 * damaged-rows.test.ts.
 */
import { expect, test } from "vitest";
import type { AwakeableId, InvocationId } from "../../protocol/ids.ts";
import { formatAwakeableId, parseInvocationId } from "../../protocol/ids.ts";
import type { Response } from "../../runtime/core/effect.ts";
import {
  inboxPrefix,
  inputKey,
  invocationKey,
  journalKey,
  lockKey,
  outcomeKey,
  pausedKeyKey,
  pendingKey,
  prefixEnd,
  promiseKey,
  runKey,
  serviceKey,
  stateKey,
} from "../../runtime/core/keys.ts";
import { decodeInvocation, decodeLock } from "../../runtime/core/rows.ts";
import { printableKey } from "../../runtime/store/row.ts";
import { bytes, CoreHarness, handler, serviceOf, SERVICES } from "../support/core-harness.ts";
import { DamagedTx } from "../support/damaged-tx.ts";

const LAZY = [
  ...SERVICES.filter((it) => it.name !== "counter"),
  serviceOf("counter", "object", [handler("add", "exclusive", { lazyState: true })]),
];

function start(services = SERVICES): { readonly h: CoreHarness; readonly tx: DamagedTx } {
  const tx = new DamagedTx(new Map(), []);
  const h = new CoreHarness({}, { tx });
  h.connect(1, { services });
  return { h, tx };
}

const DAY_MS = 24 * 60 * 60 * 1_000;

const accept = (h: CoreHarness, path: string, delayMs = 0): InvocationId =>
  h.admittedId(h.invoke(path, { mode: "send", delayMs }));

function sequenceOf(id: InvocationId): number {
  const parts = parseInvocationId(id);
  if (parts === undefined) throw new Error(`${id} is none`);
  return parts.sequence;
}

function recordOf(h: CoreHarness, id: InvocationId) {
  const row = h.tx.get(invocationKey(sequenceOf(id)));
  if (row === undefined) throw new Error(`${id} is gone`);
  return decodeInvocation(sequenceOf(id), row);
}

const control = (
  h: CoreHarness,
  kind: "cancel" | "kill" | "resume",
  invocationId: InvocationId,
): Response | undefined => h.ask((request) => ({ kind, request, invocationId }) as const);

/** The runtime comes back to damaged rows, and a worker with it. */
function comeBack(h: CoreHarness, services = SERVICES): void {
  h.restart();
  h.connect(1, { services });
}

test("an invocation whose input is damaged is paused, resumed in vain, and killed", () => {
  const { h, tx } = start();
  const id = accept(h, "counter/a/add");
  const behind = accept(h, "counter/a/add");
  const row = inputKey(sequenceOf(id));
  tx.damage(row);
  comeBack(h);
  const paused = { status: "paused", pauseReason: "damaged", attempts: 1 };
  expect(recordOf(h, id)).toMatchObject(paused);
  expect(recordOf(h, id).lastFailure?.failure.message).toContain(printableKey(row));
  expect(h.warnings.join()).toContain(printableKey(row));
  expect(recordOf(h, behind).status).toBe("inboxed");
  for (const kind of ["resume", "cancel"] as const) {
    const answer = control(h, kind, id);
    expect(answer).toMatchObject({ kind: "controlled" });
    expect(JSON.stringify(answer)).toContain("it cannot run");
    expect(recordOf(h, id)).toMatchObject(paused);
  }
  expect(control(h, "kill", id)).toMatchObject({ kind: "controlled", applied: "now" });
  expect(recordOf(h, behind).status).toBe("running");
});

test("what an attempt needs is read before anything of it has happened", () => {
  const { h, tx } = start();
  const id = accept(h, "counter/a/add");
  h.attempt(1).issue({ kind: "set-state", key: "total", value: bytes("1") });
  for (const row of [journalKey(sequenceOf(id), 0), stateKey("counter", "a", "total")]) {
    tx.damage(row);
    comeBack(h);
    expect(h.starts(1)).toEqual([]);
    expect(recordOf(h, id)).toMatchObject({ status: "paused", attempts: 1 });
    expect(recordOf(h, id).lastFailure?.failure.message).toContain("is damaged");
  }
});

test("the key of a quarantined holder stays held, and other keys are served", () => {
  const { h, tx } = start();
  const id = accept(h, "counter/a/add");
  tx.damage(invocationKey(sequenceOf(id)));
  comeBack(h);
  const behind = accept(h, "counter/a/add");
  expect(recordOf(h, behind).status).toBe("inboxed");
  accept(h, "counter/b/add");
  h.attempt(1).end("1");
  const ref = { kind: "id", invocationId: id } as const;
  for (const answer of [
    control(h, "kill", id),
    h.ask((request) => ({ kind: "output", request, ref }) as const),
    h.ask((request) => ({ kind: "attach", request, ref }) as const),
  ]) {
    expect(answer).toMatchObject({ kind: "refused", code: 500 });
    expect(JSON.stringify(answer)).toContain("is quarantined");
  }
  expect(h.warnings.filter((it) => it.includes("is quarantined"))).toHaveLength(1);
});

test("a quarantined invocation that stood first in an inbox is passed over", () => {
  const { h, tx } = start();
  accept(h, "counter/a/add");
  tx.damage(invocationKey(sequenceOf(accept(h, "counter/a/add"))));
  const next = accept(h, "counter/a/add");
  comeBack(h);
  h.attempt(1).end("1");
  expect(recordOf(h, next).status).toBe("running");
});

test("a place in an inbox that cannot be read is that of the number before it", () => {
  const { h, tx } = start();
  accept(h, "counter/a/add");
  const next = accept(h, "counter/a/add");
  const prefix = inboxPrefix("counter", "a");
  const [place] = tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1 });
  tx.damage(place?.[0] ?? "");
  h.attempt(1).end("1");
  expect(recordOf(h, next).status).toBe("running");
});

test("one that came into an inbox by a timer and lost its place there is named, and can be killed", () => {
  const { h, tx } = start();
  const late = accept(h, "counter/a/add", 10);
  accept(h, "counter/a/add");
  h.advance(10);
  const prefix = inboxPrefix("counter", "a");
  const [place] = tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1 });
  tx.damage(place?.[0] ?? "");
  const next = accept(h, "counter/a/add");
  h.attempt(1).end("1");
  expect(h.warnings.join()).toContain("is passed over");
  expect(recordOf(h, next).status).toBe("running");
  const last = accept(h, "counter/a/add");
  // It is counted once, not twice: whoever came later keeps its turn.
  expect(control(h, "kill", late)).toMatchObject({ kind: "controlled" });
  h.attempt(1).end("1");
  expect(recordOf(h, last).status).toBe("running");
});

test("a damaged lock stays held, and is made anew by the end of its holder", () => {
  const { h, tx } = start();
  accept(h, "counter/a/add");
  const second = accept(h, "counter/a/add");
  const row = lockKey("counter", "a");
  tx.damage(row);
  const third = accept(h, "counter/a/add");
  expect(h.warnings.join()).toContain(printableKey(row));
  h.attempt(1).end("1");
  expect(decodeLock(tx.get(row) ?? bytes(""))).toMatchObject({
    holder: sequenceOf(second),
    waiting: 1,
  });
  h.attempt(1).end("1");
  expect(recordOf(h, third).status).toBe("running");
});

test("what is outstanding behind a damaged row completes like any other", () => {
  const { h, tx } = start();
  const id = accept(h, "counter/a/add");
  const attempt = h.attempt(1);
  attempt.issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
  attempt.issue({ kind: "awakeable", completionId: 2 });
  attempt.issue({ kind: "sleep", durationMs: 300 * DAY_MS, completionId: 3 });
  for (const completionId of [1, 2, 3]) tx.damage(pendingKey(sequenceOf(id), completionId));
  h.advance(1_000);
  expect(attempt.deliveries()).toMatchObject([{ completionId: 1, result: { kind: "void" } }]);
  const result = { ok: true, value: bytes("7") } as const;
  const complete = (awakeableId: AwakeableId): Response | undefined =>
    h.ask((request) => ({ kind: "complete-awakeable", request, awakeableId, result }));
  // Only its command can say that it is an awakeable; the sleep beside it is none.
  complete(awakeableOf(id, 3));
  expect(attempt.deliveries()).toHaveLength(1);
  complete(awakeableOf(id, 2));
  expect(attempt.deliveries()).toHaveLength(2);
  // Nobody knows when its timer is due: it finds nobody, long after its invocation has been purged.
  attempt.end("1");
  h.advance(400 * DAY_MS);
  expect(h.warnings.join()).toContain("a sleep timer names invocation number 1");
});

function awakeableOf(id: InvocationId, completionId: number): AwakeableId {
  const invocation = parseInvocationId(id);
  if (invocation === undefined) throw new Error(`${id} is none`);
  return formatAwakeableId({ invocation, completionId });
}

test("the row of a run that is damaged while it executes is not needed", () => {
  const { h, tx } = start();
  const id = accept(h, "counter/a/add");
  const attempt = h.attempt(1);
  const run = { kind: "run", mode: "at-least-once", retry: null, completionId: 1 } as const;
  const command = attempt.issue(run, { name: "pay" });
  // It gets a row with its first failure.
  attempt.report(command, { error: "no" });
  h.advance(60_000);
  tx.damage(runKey(sequenceOf(id), command));
  attempt.report(command, { value: "1" });
  attempt.end("1");
  expect(recordOf(h, id)).toMatchObject({ status: "completed", runs: 0 });
});

test("a command that needs a damaged row fails its attempt, and nothing of it is recorded", () => {
  const { h, tx } = start(LAZY);
  accept(h, "counter/a/add");
  h.attempt(1).issue({ kind: "set-state", key: "total", value: bytes("1") });
  h.attempt(1).end("1");
  const state = stateKey("counter", "a", "total");
  tx.damage(state);
  const key = "total";
  for (const command of [
    { kind: "get-state", key, completionId: 1 },
    { kind: "set-state", key, value: bytes("2") },
    { kind: "clear-state", key },
  ] as const) {
    const id = accept(h, "counter/a/add");
    h.attempt(1).issue(command);
    expect(recordOf(h, id)).toMatchObject({ status: "backing-off", commands: 0 });
    expect(recordOf(h, id).lastFailure?.failure.message).toContain(printableKey(state));
    control(h, "kill", id);
  }
  // Names alone, and all at once, need no value.
  accept(h, "counter/a/add");
  const attempt = h.attempt(1);
  attempt.issue({ kind: "get-state-keys", completionId: 1 });
  attempt.issue({ kind: "clear-all-state" });
  attempt.issue({ kind: "set-state", key, value: bytes("2") });
  expect(attempt.deliveries()).toMatchObject([{ result: { kind: "state-keys", keys: [key] } }]);
  expect(tx.get(state)).toEqual(bytes("2"));
});

test("a damaged promise fails the attempts that ask for it", () => {
  const { h, tx } = start();
  const id = accept(h, "signup/w/run");
  const result = { ok: true, value: bytes("1") } as const;
  const promise = "clicked";
  const attempt = h.attempt(1);
  attempt.issue({ kind: "complete-promise", promise, result, completionId: 1 });
  const row = promiseKey("signup", "w", promise);
  tx.damage(row);
  attempt.issue({ kind: "get-promise", promise, completionId: 2 });
  expect(recordOf(h, id)).toMatchObject({ commands: 1, status: "backing-off" });
  expect(recordOf(h, id).lastFailure?.failure.message).toContain(printableKey(row));
});

test("a damaged outcome is a named 500 to whoever asks, outside and inside", () => {
  const { h, tx } = start();
  const id = accept(h, "greeter/greet");
  // Too large for its record.
  h.attempt(1).end(JSON.stringify("x".repeat(5_000)));
  const row = outcomeKey(sequenceOf(id));
  tx.damage(row);
  const ref = { kind: "id", invocationId: id } as const;
  const answer = h.ask((request) => ({ kind: "output", request, ref }) as const);
  expect(answer).toMatchObject({ kind: "refused", code: 500 });
  expect(JSON.stringify(answer)).toContain("is damaged");
  accept(h, "counter/a/add");
  const attempt = h.attempt(1);
  attempt.issue({ kind: "attach", invocationId: id, completionId: 1 });
  expect(attempt.deliveries()).toMatchObject([
    { result: { kind: "failure", failure: { name: "TerminalError", code: 500 } } },
  ]);
});

test("a service whose row is damaged is unavailable until a worker announces it", () => {
  const { h, tx } = start();
  tx.damage(serviceKey("greeter"));
  h.restart();
  const refused = h.responses.get(h.invoke("greeter/greet"));
  expect(refused).toMatchObject({ kind: "refused", code: 503 });
  h.connect(1);
  expect(recordOf(h, accept(h, "greeter/greet")).status).toBe("running");
});

test("a pause whose row is damaged holds until it is taken back", () => {
  const { h, tx } = start();
  const pause = (kind: "pause-key" | "resume-key") =>
    h.ask((request) => ({ kind, request, service: "counter", key: "a" }) as const);
  pause("pause-key");
  tx.damage(pausedKeyKey("counter", "a"));
  comeBack(h);
  const id = accept(h, "counter/a/add");
  expect(recordOf(h, id)).toMatchObject({ status: "ready", parked: true });
  expect(pause("resume-key")).toMatchObject({ kind: "controlled" });
  h.advance(1_000);
  expect(recordOf(h, id).status).toBe("running");
});
