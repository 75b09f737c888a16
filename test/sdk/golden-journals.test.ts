/**
 * T9: a journal that was stored once must replay for ever. The files in test/golden are rows as a
 * version of Holdfast wrote them, with the start message of the attempt that follows. A file is never
 * written again: what a later version records goes into another one, and its handler beside this one.
 *
 * Others had entries stored as another type, stuck after an upgrade (restate#4396, #4397), and values
 * that differed on replay (sdk-typescript#656).
 *
 * HOLDFAST_GOLDEN=write records what is missing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { CommandKind, CompletionResult, Delivery } from "../../protocol/command.ts";
import type { RuntimeMessage, Start, WorkerMessage } from "../../protocol/message.ts";
import { journalPrefix, prefixEnd } from "../../runtime/core/keys.ts";
import {
  decodeJournalEntry,
  encodeJournalEntry,
  type JournalEntry,
} from "../../runtime/core/rows.ts";
import { Attempt } from "../../sdk/attempt/attempt.ts";
import type { WorkflowContext } from "../../sdk/context.ts";
import { TerminalError } from "../../sdk/errors.ts";
import { serde } from "../../sdk/serde.ts";
import { handler as handlerManifest, text } from "../support/core-harness.ts";
import { LiveHarness, type Code } from "../support/live-harness.ts";
import { RUNTIME_SAMPLES, WORKER_SAMPLES } from "../support/sample-messages.ts";

type Ctx = WorkflowContext;

/** Every command and every kind of delivery; ends by waiting for `hold`. */
const everyCommand: Code<Ctx> = async (ctx) => {
  const { target, id } = ctx.request();
  if (target.service === "plain") return "child";
  const seen: unknown[] = [ctx.patched("new")];
  ctx.set("large", "x".repeat(100));
  ctx.set("small", 1);
  // The worker dies here: after it, not all state is at hand.
  await ctx.sleep(1_000, "cut off");
  seen.push(await ctx.get("large"), await ctx.get("never set"), await ctx.stateKeys());
  ctx.clear("small");
  seen.push(await ctx.get("small"));
  ctx.clearAll();
  seen.push(await ctx.stateKeys());
  const plain = { service: "plain", method: "run", parameter: null };
  const called = ctx.genericCall({ ...plain, idempotencyKey: "a key" });
  const sent = ctx.genericSend({ ...plain, delay: 5 });
  const child = await sent.invocationId;
  seen.push(await called, await ctx.attach(child));
  seen.push(
    await ctx.run("once", () => "once", { mode: "at-most-once" }),
    await ctx.run("probed", () => "probed", { probe: () => ({ happened: false }) }),
    await ctx.run("in time", () => "in time").orTimeout(60_000),
  );
  const refused = ctx.run("refused", () => {
    throw new TerminalError("no", { errorCode: 418 });
  });
  // While a run is outstanding the time comes as a delivery, afterwards at once.
  const asked = ctx.date.now();
  seen.push(await refused.catch((error: unknown) => String(error)), typeof (await asked));
  seen.push(typeof (await ctx.date.now()));
  const awakeable = ctx.awakeable<string>();
  ctx.resolveAwakeable(awakeable.id, "awake");
  seen.push(await awakeable.promise, (await ctx.promise("p").peek()) ?? "none");
  await ctx.promise("p").resolve("kept");
  seen.push(await ctx.promise("p"));
  ctx.invocation(id).signal("s").resolve("told");
  seen.push(await ctx.signal("s"));
  const late = ctx.genericSend({ ...plain, delay: 60_000 });
  ctx.cancel(await late.invocationId);
  // It is cancelled from outside here.
  seen.push(await ctx.sleep(3_600_000, "cancelled").catch((error: unknown) => String(error)));
  seen.push(await ctx.awakeable().promise);
  return seen;
};

const HANDLERS: Readonly<Record<string, Code<Ctx>>> = { "0.1.0-every-command": everyCommand };

interface Golden {
  readonly start: Start;
  /** Journal rows, as they were stored. */
  readonly rows: readonly Uint8Array[];
  readonly hold: RuntimeMessage & { readonly kind: "deliver" };
  readonly result: unknown;
}

const fileOf = (name: string): string => join(import.meta.dirname, `../golden/${name}.json`);

/** Bytes are written as {"$bytes": base64}. */
function write(name: string, golden: Golden): void {
  mkdirSync(join(import.meta.dirname, "../golden"), { recursive: true });
  const replacer = (_key: string, value: unknown): unknown =>
    value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value;
  writeFileSync(fileOf(name), `${JSON.stringify(golden, replacer, 1)}\n`);
}

function read(name: string): Golden {
  const reviver = (_key: string, value: unknown): unknown =>
    typeof value === "object" && value !== null && "$bytes" in value
      ? new Uint8Array(Buffer.from(String(value.$bytes), "base64"))
      : value;
  return JSON.parse(readFileSync(fileOf(name), "utf8"), reviver) as Golden; // written by `write`
}

async function record(code: Code<Ctx>): Promise<Golden> {
  const h = new LiveHarness<Ctx>(code, { limits: { eagerStateBytesMax: 10 } });
  const request = h.core.invoke("flow/k/run");
  await h.settle();
  const { invocationId } = h.core.starts(1).at(-1) ?? { invocationId: "" as never };
  h.crashWorker();
  await h.advance(2_000);
  await h.advance(1_000);
  h.core.ask((ask) => ({ kind: "cancel", request: ask, invocationId }));
  await h.settle();
  const from = journalPrefix(1);
  const rows = h.core.tx.range({ from, to: prefixEnd(from), limit: 1_000 }).map(([, row]) => row);
  h.crashWorker();
  await h.settle();
  const start = h.core.starts(h.connection).at(-1);
  if (start === undefined) throw new Error("the attempt was not started again");
  const last = rows.map(decodeJournalEntry).findLast((it) => it.kind === "command");
  if (last?.command.kind !== "awakeable") throw new Error("the handler does not wait for `hold`");
  const { completionId } = last.command;
  const value = new TextEncoder().encode('"held"');
  const delivery = { kind: "completion", completionId, result: { kind: "value", value } } as const;
  const hold = { kind: "deliver", attempt: start.attempt, delivery } as const;
  h.core.say(h.connection, { kind: "suspend", attempt: start.attempt, deliveries: 0 });
  expect(h.answerOf(request)).toBeUndefined();
  const { ended } = await replay({ start, rows, hold, result: null }, rows.length, code);
  return { start, rows, hold, result: ended };
}

/** One attempt over this much of the journal, and then `hold`. */
async function replay(
  { start, rows, hold }: Golden,
  length: number,
  code: Code<Ctx>,
): Promise<{ readonly sent: readonly WorkerMessage[]; readonly ended: unknown }> {
  const sent: WorkerMessage[] = [];
  const entries = rows.slice(0, length).map(decodeJournalEntry);
  const deliveryCount = entries.filter((it) => it.kind === "delivery").length;
  const attempt = new Attempt(
    { ...start, commandCount: length - deliveryCount, deliveryCount },
    {
      service: start.target.service,
      kind: "workflow",
      name: start.target.handler,
      mode: "exclusive",
      call: (ctx, input) => code(ctx as Ctx, input),
      input: serde.json,
      output: serde.json,
      serde: serde.json,
      asTerminalError: undefined,
      abortTimeoutMs: null,
      manifest: handlerManifest(start.target.handler, "exclusive"),
    },
    {
      send: (message) => sent.push(message),
      warn: (warning) => expect.unreachable(warning),
      onEnded: () => undefined,
      inactivityTimeoutMs: 60_000,
      payloadBytesMax: 1_000_000,
    },
  );
  if (length > 0) attempt.replay({ kind: "replay", attempt: start.attempt, entries });
  await turns(2 * length + 10);
  if (length === rows.length) attempt.deliver(hold);
  await turns(10);
  attempt.abort("the test is over");
  const end = sent.find((it) => it.kind === "end");
  if (end?.kind !== "end" || !end.result.ok) return { sent, ended: undefined };
  return { sent, ended: JSON.parse(text(end.result.value)) as unknown };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(Object.keys(HANDLERS))("T9: the journal %s", (name) => {
  const code = HANDLERS[name] as Code<Ctx>;

  beforeAll(async () => {
    if (process.env["HOLDFAST_GOLDEN"] !== "write" || existsSync(fileOf(name))) return;
    write(name, await record(code));
  });

  test("replays to its end: nothing is asked again, and the outcome is the same", async () => {
    const golden = read(name);
    const { sent, ended } = await replay(golden, golden.rows.length, code);
    expect(sent.map((it) => it.kind)).toEqual(["end"]);
    expect(ended).toEqual(golden.result);
  });

  test("replays from every length it once had", async () => {
    const golden = read(name);
    for (let length = 0; length < golden.rows.length; length++) {
      const { sent } = await replay(golden, length, code);
      expect(sent.filter((it) => it.kind === "fail")).toEqual([]);
    }
  });

  test("is stored by this version as it was stored then", () => {
    for (const row of read(name).rows) {
      expect(encodeJournalEntry(decodeJournalEntry(row))).toEqual(row);
    }
  });
});

/** A table, so that the compiler asks for a kind that is new. */
const KINDS: Readonly<Record<CommandKind, true>> = {
  "get-state": true,
  "get-state-here": true,
  "get-state-keys": true,
  "get-state-keys-here": true,
  "set-state": true,
  "clear-state": true,
  "clear-all-state": true,
  sleep: true,
  withdraw: true,
  call: true,
  send: true,
  "invocation-id": true,
  run: true,
  awakeable: true,
  "complete-awakeable": true,
  "get-promise": true,
  "peek-promise": true,
  "complete-promise": true,
  "await-signal": true,
  "send-signal": true,
  cancel: true,
  attach: true,
  date: true,
  "date-here": true,
  patched: true,
};

/** "proposed" is never stored. */
const RESULTS: Readonly<Record<Exclude<CompletionResult["kind"], "proposed">, true>> = {
  void: true,
  value: true,
  failure: true,
  "invocation-id": true,
  "state-keys": true,
  time: true,
};

test("T9: the golden journals hold every kind of entry there is", () => {
  const entries = Object.keys(HANDLERS).flatMap((it) => read(it).rows.map(decodeJournalEntry));
  const kinds = entries.map((it) =>
    it.kind === "command"
      ? it.command.kind
      : it.delivery.kind === "completion"
        ? `completed: ${it.delivery.result.kind}`
        : it.delivery.kind,
  );
  const wanted = [
    ...Object.keys(KINDS),
    ...Object.keys(RESULTS).map((it) => `completed: ${it}`),
    "signal",
    "cancellation",
  ];
  expect(wanted.filter((it) => !kinds.includes(it))).toEqual([]);
});

test("T9: an entry of every kind comes back from its row as it was", () => {
  const deliveries: readonly Delivery[] = RUNTIME_SAMPLES.flatMap((it) =>
    it.kind === "deliver" ? [it.delivery] : [],
  );
  const commands = WORKER_SAMPLES.flatMap((it) => (it.kind === "command" ? [it.command] : []));
  const entries: readonly JournalEntry[] = [
    ...commands.map((command) => ({ kind: "command", command, atMs: 5, child: 7 }) as const),
    ...commands.map((command) => ({ kind: "command", command, atMs: 0, child: null }) as const),
    ...deliveries.map((delivery) => ({ kind: "delivery", delivery, atMs: 5 }) as const),
  ];
  for (const entry of entries) {
    expect(decodeJournalEntry(encodeJournalEntry(entry))).toEqual(entry);
  }
  expect(new Set(commands.map((it) => it.kind))).toEqual(new Set(Object.keys(KINDS)));
});
