/**
 * One damaged row costs what hangs on it, and nothing else. A row whose checksum failed threw out of
 * the store, in the middle of a step, which is fail-stop: one flipped bit ended the runtime, and each
 * of its later starts met the same row and ended as well. Here every row of a store with something of
 * everything is damaged once, and then all is done to that store that can be done.
 */
import { describe, expect, test } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { createAdminReads } from "../../runtime/admin/reads.ts";
import { invocationIdOf } from "../../runtime/core/invocation.ts";
import { INVOCATIONS, prefixEnd, readU48 } from "../../runtime/core/keys.ts";
import { decodeInvocation } from "../../runtime/core/rows.ts";
import { printableKey } from "../../runtime/store/row.ts";
import { bytes, CoreHarness, ScriptedAttempt } from "../support/core-harness.ts";
import { DamagedTx } from "../support/damaged-tx.ts";
import { quietWorld, world } from "../support/full-world.ts";

const WORLDS = { busy: world, quiet: quietWorld } as const;
/** Without these numbers nothing can be trusted. */
const VITAL = ["C", "c", "n"];
/** Their keys say all that is needed, or it is found again: nothing is lost, so nobody is told. */
const NOTHING_LOST = [..."teRaxQwbzZq"];

const DAY_MS = 24 * 60 * 60 * 1_000;

interface Known {
  readonly h: CoreHarness;
  readonly ids: readonly InvocationId[];
  /** All that anybody was told. */
  readonly said: string[];
  /** Attempts that have acted, by connection. */
  readonly acted: Map<number, number>;
}

describe.each(Object.keys(WORLDS) as (keyof typeof WORLDS)[])("of a %s store", (name) => {
  const origin = WORLDS[name]();
  const keys = [...origin.tx.rows.keys()].sort();
  const mild = keys.filter((key) => !VITAL.includes(key.charAt(0)));
  const ids = origin.tx
    .range({ from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: 1_000 })
    .map(([key, row]) => invocationIdOf(decodeInvocation(readU48(key, 1), row)));
  const damaged = (key: string): DamagedTx => new DamagedTx(origin.tx.rows, [key]);

  test.each(mild.map((key) => [printableKey(key), key]))(
    "the row %s, damaged, ends nothing else, and is named",
    async (printable, key) => {
      const said: string[] = [];
      const h = new CoreHarness({ eagerStateBytesMax: 100 }, { tx: damaged(key) });
      const known = { h, ids, said, acted: new Map<number, number>() };
      await look(known);
      h.connect(1);
      // That one is paused in the quiet store.
      if (name === "busy") servesWorkflow(h, 1, "fresh");
      servesOthers(h, 1, "fresh");
      busy(known, 1);
      await look(known);
      await handle(known, 1);
      h.advance(DAY_MS);
      keepTold(known);
      h.restart();
      h.connect(2);
      servesWorkflow(h, 2, "fresh2");
      servesOthers(h, 2, "fresh2");
      busy(known, 2);
      await handle(known, 2);
      h.advance(400 * DAY_MS);
      await look(known);
      if (NOTHING_LOST.includes(key.charAt(0))) return;
      expect(said.join("\n")).toContain(JSON.stringify(printable).slice(1, -1));
    },
  );

  test.each(VITAL.flatMap((kind) => keys.filter((key) => key.startsWith(kind))))(
    "a start without %j ends and says what to do",
    (key) => {
      const start = (): unknown => new CoreHarness({}, { tx: damaged(key) });
      expect(start).toThrow(printableKey(key));
      expect(start).toThrow("holdfast verify");
    },
  );
});

/** Other keys are served as if nothing were. */
function servesOthers(h: CoreHarness, connection: number, key: string): void {
  expectEnd(h, connection, h.invoke(`counter/${key}/add`));
  expectEnd(h, connection, h.invoke("greeter/greet", { idempotencyKey: key }));
}

function servesWorkflow(h: CoreHarness, connection: number, key: string): void {
  expectEnd(h, connection, h.invoke(`signup/${key}/run`));
}

function expectEnd(h: CoreHarness, connection: number, request: number): void {
  const attempt = h.attempt(connection);
  attempt.issue({ kind: "sleep", durationMs: 1, completionId: 1 });
  h.advance(1);
  expect(attempt.deliveries()).toHaveLength(1);
  attempt.end("1");
  expect(h.responses.get(request)).toMatchObject({ kind: "completed", result: { ok: true } });
}

/** Time passes; each live attempt does what a handler can do, and ends. */
function busy(known: Known, connection: number): void {
  const { h } = known;
  h.advance(20_000);
  const starts = h.starts(connection);
  for (const start of starts.slice(known.acted.get(connection) ?? 0)) {
    act(known, new ScriptedAttempt(h, connection, start));
  }
  known.acted.set(connection, starts.length);
  h.advance(100);
}

function act({ ids }: Known, attempt: ScriptedAttempt): void {
  const { service, handler } = attempt.start.target;
  let completionId = 1_000 + attempt.start.deliveryCount * 100;
  const next = (): number => ++completionId;
  const value = bytes("7");
  attempt.issue({ kind: "get-state-keys", completionId: next() });
  for (const key of ["total", "large", "step"]) {
    attempt.issue({ kind: "get-state", key, completionId: next() });
  }
  if (attempt.start.commandCount > 0) {
    attempt.issue({ kind: "invocation-id", of: 3, completionId: next() });
  }
  if (service === "signup") {
    const result = { ok: true, value } as const;
    attempt.issue({ kind: "peek-promise", promise: "other", completionId: next() });
    attempt.issue({ kind: "get-promise", promise: "other", completionId: next() });
    attempt.issue({ kind: "complete-promise", promise: "clicked", result, completionId: next() });
    attempt.issue({ kind: "complete-promise", promise: "other", result, completionId: next() });
  }
  if (handler === "add" || handler === "run") {
    attempt.issue({ kind: "set-state", key: "total", value });
    attempt.issue({ kind: "clear-state", key: "large" });
  }
  const target = { service: "greeter", key: null, handler: "greet" };
  const rest = { parameter: bytes(""), headers: [], completionId: next() };
  attempt.issue({ kind: "call", target, idempotencyKey: "once", ...rest });
  for (const invocationId of ids.slice(0, 3)) {
    attempt.issue({ kind: "send-signal", invocationId, signal: "s", result: { ok: true, value } });
    attempt.issue({ kind: "attach", invocationId, completionId: next() });
  }
  attempt.idle();
  attempt.suspend();
  attempt.end("1");
}

/** Everything that somebody outside can ask for. */
async function handle(known: Known, connection: number): Promise<void> {
  const { h, ids, said } = known;
  const tell = (answer: unknown): void => void said.push(JSON.stringify(answer));
  const once = { service: "greeter", key: null, handler: "greet" };
  const refs = [
    { kind: "workflow", service: "signup", key: "w" },
    { kind: "workflow", service: "signup", key: "v" },
    { kind: "idempotency-key", target: once, idempotencyKey: "once" },
    ...ids.map((invocationId) => ({ kind: "id", invocationId }) as const),
  ] as const;
  for (const ref of refs) {
    tell(h.ask((request) => ({ kind: "output", request, ref })));
    tell(h.ask((request) => ({ kind: "attach", request, ref })));
  }
  for (const body of ["", "other"]) {
    tell(h.responses.get(h.invoke("greeter/greet", { idempotencyKey: "once", body })));
  }
  for (const key of ["w", "v"]) tell(h.responses.get(h.invoke(`signup/${key}/run`)));
  for (const key of ["a", "b", "c", "z"]) {
    tell(h.responses.get(h.invoke(`counter/${key}/add`, { mode: "send" })));
  }
  const service = "signup";
  tell(h.ask((request) => ({ kind: "resume-key", request, service: "counter", key: "z" })));
  tell(h.ask((request) => ({ kind: "resume-service", request, service })));
  h.advance(1_000);
  tell(h.ask((request) => ({ kind: "pause-service", request, service })));
  tell(h.ask((request) => ({ kind: "resume-service", request, service })));
  tell(h.ask((request) => ({ kind: "remove-deployment", request, version: "dev" })));
  for (const kind of ["pause", "resume", "cancel", "resume", "kill", "purge"] as const) {
    for (const invocationId of ids) {
      tell(h.ask((request) => ({ kind, request, invocationId })));
    }
    h.advance(1_000);
    if (kind !== "resume" && kind !== "kill") continue;
    await look(known);
    busy(known, connection);
  }
  keepTold(known);
}

/** The admin API answers, whatever there is; an invocation that it cannot show it names. */
async function look({ h, ids, said }: Known): Promise<void> {
  const source = {
    get: (key: string) => h.tx.get(key),
    range: (range: Parameters<typeof h.tx.range>[0]) => h.tx.range(range),
    confirm: () => Promise.resolve(),
  };
  const live = { workersOf: () => 1, quarantined: () => 0, nowMs: () => h.nowMs };
  const reads = createAdminReads(source, live);
  const all = { limit: 1_000, after: null };
  const told: unknown[] = [
    await reads.listInvocations({ statuses: [] }, all),
    await reads.listInvocations({ statuses: ["running"] }, all),
    await reads.listServices(),
    await reads.listDeployments(),
    await reads.listPauses(),
    await reads.countInvocations(),
  ];
  for (const id of ids) {
    const parts = parseInvocationId(id);
    if (parts === undefined) throw new Error(`${id} is none`);
    const named = (error: unknown): string => {
      expect(error).toMatchObject({ message: expect.stringContaining("quarantined") as string });
      return String(error);
    };
    told.push(await reads.describeInvocation(parts, { from: 0, limit: 100 }).catch(named));
    told.push(await reads.graphOf(parts, 100).catch(named));
  }
  said.push(JSON.stringify(told));
}

/** What workers and the log were told. */
function keepTold({ h, said }: Known): void {
  said.push(JSON.stringify([...h.warnings, ...h.responses.values()]));
  for (const told of h.told.values()) {
    said.push(JSON.stringify(told.filter((it) => it.kind === "abort" || it.kind === "deliver")));
  }
}
