/**
 * The state machine alone, on rows in a plain map: inputs go in, effects come out, nothing waits.
 * Workers are scripted: a test says what the worker sends, and reads what it was told.
 */
import { DEFAULT_LIMITS, type Limits } from "../../runtime/core/limits.ts";
import { createMachine, type MachineOptions } from "../../runtime/core/machine.ts";
import type { Effect, Response } from "../../runtime/core/effect.ts";
import type { Input } from "../../runtime/core/input.ts";
import type { LateRow, Range, Row, Tx } from "../../runtime/core/tx.ts";
import { SortedRows } from "../../runtime/store/sorted-rows.ts";
import { parseName, prefixEnd, statePrefix } from "../../runtime/core/keys.ts";
import type { Machine } from "../../runtime/machine.ts";
import type { Command, CommandKind } from "../../protocol/command.ts";
import type { InvocationId } from "../../protocol/ids.ts";
import type {
  HandlerManifest,
  HandlerMode,
  ServiceKind,
  ServiceManifest,
} from "../../protocol/manifest.ts";
import type { AttemptMessage, RuntimeMessage, Start } from "../../protocol/message.ts";

const hexOf = (value: Uint8Array): string => Buffer.from(value).toString("hex");
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

/** Rows in a map; ranges sort. Slow and obvious. */
export class PlainTx implements Tx {
  readonly rows = new Map<string, Uint8Array>();
  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }
  range({ from, to, limit }: Range): Row[] {
    const keys = [...this.rows.keys()].filter((key) => key >= from && key < to).sort();
    return keys.slice(0, limit).map((key) => [key, this.rows.get(key) ?? bytes("")]);
  }
  put(key: string, value: Uint8Array): void {
    this.rows.set(key, value);
  }
  /** As if all were one batch. */
  replaceInserted(key: string, value: Uint8Array): boolean {
    if (!this.rows.has(key)) return false;
    this.put(key, value);
    return true;
  }
  /** At once: what is written has no batch here. */
  putLate(row: LateRow): void {
    const value = row.encode();
    if (value === undefined) this.remove(row.key);
    else this.put(row.key, value);
  }
  insert(key: string, value: Uint8Array): void {
    if (this.rows.has(key)) throw new Error(`insert of a key that exists: ${JSON.stringify(key)}`);
    this.rows.set(key, value);
  }
  remove(key: string): void {
    this.rows.delete(key);
  }
}

/** The same over rows that are kept in order: for tests with many of them. */
export class SortedTx extends PlainTx {
  readonly #sorted = new SortedRows<Uint8Array>();
  override range(range: Range): Row[] {
    return this.#sorted.range(range);
  }
  override put(key: string, value: Uint8Array): void {
    super.put(key, value);
    this.#sorted.set(key, value);
  }
  override insert(key: string, value: Uint8Array): void {
    super.insert(key, value);
    this.#sorted.set(key, value);
  }
  override remove(key: string): void {
    super.remove(key);
    this.#sorted.delete(key);
  }
}

export function handler(
  name: string,
  mode: HandlerMode,
  more: Partial<HandlerManifest> = {},
): HandlerManifest {
  return {
    name,
    mode,
    inputContentType: "application/json",
    inputRequired: false,
    outputContentType: "application/json",
    ingressPrivate: false,
    retry: null,
    inactivityTimeoutMs: null,
    idempotencyRetentionMs: null,
    journalRetentionMs: null,
    workflowRetentionMs: null,
    lazyState: false,
    description: "",
    metadata: {},
    ...more,
  };
}

export function serviceOf(
  name: string,
  kind: ServiceKind,
  handlers: readonly HandlerManifest[],
): ServiceManifest {
  return { name, kind, handlers, description: "", metadata: {} };
}

export const SERVICES: readonly ServiceManifest[] = [
  serviceOf("greeter", "service", [handler("greet", "stateless")]),
  serviceOf("counter", "object", [handler("add", "exclusive"), handler("read", "shared")]),
  serviceOf("signup", "workflow", [handler("run", "exclusive"), handler("confirm", "shared")]),
];

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type CommandBody = DistributiveOmit<Command, "index" | "after" | "outside" | "name"> & {
  readonly kind: CommandKind;
};

export class CoreHarness {
  readonly tx: PlainTx;
  readonly limits: Limits;
  nowMs = 1_000_000;
  epoch = 1;
  machine: Machine;
  readonly responses = new Map<number, Response>();
  /** What each connection was told, in order. */
  readonly told = new Map<number, RuntimeMessage[]>();
  readonly closed = new Map<number, string>();
  readonly warnings: string[] = [];
  #request = 0;
  readonly #ordinals = new Map<number, number>();

  readonly #options: Omit<MachineOptions, "epoch" | "limits">;

  constructor(
    limits: Partial<Limits> = {},
    {
      tx = new PlainTx(),
      ...options
    }: { tx?: PlainTx } & Omit<MachineOptions, "epoch" | "limits"> = {},
  ) {
    this.tx = tx;
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.machine = this.#start();
  }

  #start(): Machine {
    const { epoch, limits } = this;
    const machine = createMachine({ epoch, limits, ...this.#options });
    this.#take(machine.recover(this.tx, this.nowMs));
    return machine;
  }

  /** The process dies and comes back: memory is gone, rows stay. */
  restart(): void {
    this.epoch++;
    this.told.clear();
    this.machine = this.#start();
  }

  apply(input: Input): Effect[] {
    const effects = this.machine.apply(this.tx, input, this.nowMs);
    this.#take(effects);
    return effects;
  }

  #take(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "respond") this.responses.set(effect.request, effect.response);
      else if (effect.kind === "message") {
        const told = this.told.get(effect.connection) ?? [];
        told.push(effect.message);
        if (effect.message.kind === "start") this.#checkState(effect.message);
        this.told.set(effect.connection, told);
      } else if (effect.kind === "close-connection") {
        this.closed.set(effect.connection, effect.reason);
      } else this.warnings.push(effect.message);
    }
  }

  /** The state that came with a start is that of the rows, whatever the machine remembered of it. */
  #checkState({ target: { service, key }, state }: Start): void {
    if (key === null || !state.complete) return;
    const prefix = statePrefix(service, key);
    const rows = this.tx.range({ from: prefix, to: prefixEnd(prefix), limit: 1_000_000 });
    const stored = rows.map(([row, value]) => [parseName(row, prefix.length), hexOf(value)]);
    const sent = state.entries.map(([name, value]) => [name, hexOf(value)]);
    if (JSON.stringify(sent) === JSON.stringify(stored)) return;
    throw new Error(`a start of ${service}/${key} came with the state of another time`);
  }

  /** Moves the clock and lets everything happen that is due by then. */
  advance(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const due = this.machine.nextDueAtMs(this.tx);
      if (due === undefined || due > until) break;
      this.nowMs = Math.max(this.nowMs, due);
      this.apply({ kind: "timers-due" });
    }
    this.nowMs = until;
  }

  /** The clock jumps, as after a pause of the process: all that is due comes at once. */
  jump(ms: number): void {
    this.nowMs += ms;
    while ((this.machine.nextDueAtMs(this.tx) ?? Infinity) <= this.nowMs) {
      this.apply({ kind: "timers-due" });
    }
  }

  connect(
    connection: number,
    {
      version = "dev",
      concurrency = 100,
      services = SERVICES,
      followersMax = 0,
    }: {
      version?: string;
      concurrency?: number;
      services?: readonly ServiceManifest[];
      followersMax?: number;
    } = {},
  ): void {
    const manifest = { services };
    const hello = {
      kind: "hello",
      protocol: 1,
      version,
      concurrency,
      sdk: "test",
      manifest,
      followersMax,
    } as const;
    this.apply({ kind: "worker-hello", connection, hello });
    this.#ordinals.set(connection, 1);
    this.apply({ kind: "worker-congestion", connection, congested: false });
  }

  lose(connection: number): void {
    this.apply({ kind: "worker-lost", connection, reason: "test" });
  }

  invoke(
    path: string,
    {
      body = "",
      mode = "call",
      idempotencyKey = null,
      delayMs = 0,
      headers = [["content-type", "application/json"]],
    }: {
      body?: string;
      mode?: "call" | "send";
      idempotencyKey?: string | null;
      delayMs?: number;
      headers?: readonly (readonly [string, string])[];
    } = {},
  ): number {
    const request = ++this.#request;
    const parts = path.split("/");
    const [service = "", second = "", third] = parts;
    const target =
      third === undefined
        ? { service, handler: second, key: null }
        : { service, handler: third, key: second };
    const entropy = String.fromCharCode(
      ...Array.from({ length: 24 }, (_, i) => (request * 31 + i * 7) & 255),
    );
    this.apply({
      kind: "invoke",
      request,
      mode,
      target,
      parameter: bytes(body),
      headers,
      idempotencyKey,
      delayMs,
      entropy,
    });
    return request;
  }

  ask(make: (request: number) => Input): Response | undefined {
    const request = ++this.#request;
    this.apply(make(request));
    return this.responses.get(request);
  }

  say(connection: number, message: AttemptMessage): void {
    const ordinal = (this.#ordinals.get(connection) ?? 0) + 1;
    this.#ordinals.set(connection, ordinal);
    this.apply({ kind: "worker-message", connection, ordinal, message });
  }

  messages<K extends RuntimeMessage["kind"]>(
    connection: number,
    kind: K,
  ): (RuntimeMessage & { readonly kind: K })[] {
    const isKind = (it: RuntimeMessage): it is RuntimeMessage & { readonly kind: K } =>
      it.kind === kind;
    return (this.told.get(connection) ?? []).filter(isKind);
  }

  /** The attempts that were started on a connection, oldest first. */
  starts(connection: number): Start[] {
    return this.messages(connection, "start");
  }

  /** A scripted attempt: numbers its commands as the SDK would. */
  attempt(connection: number, nth = -1): ScriptedAttempt {
    const start = this.starts(connection).at(nth);
    if (start === undefined) throw new Error(`no attempt ${nth} on connection ${connection}`);
    return new ScriptedAttempt(this, connection, start);
  }

  admittedId(request: number): InvocationId {
    const response = this.responses.get(request);
    if (response?.kind !== "accepted" && response?.kind !== "completed") {
      throw new Error(`request ${request} has no invocation: ${JSON.stringify(response)}`);
    }
    return response.invocationId;
  }
}

export type RunReport =
  | { readonly value: string; readonly deliveries?: number }
  | { readonly error: string; readonly retryAfterMs?: number }
  | { readonly notDone: true };

export class ScriptedAttempt {
  readonly harness: CoreHarness;
  readonly connection: number;
  readonly start: Start;
  #index: number;

  constructor(harness: CoreHarness, connection: number, start: Start) {
    this.harness = harness;
    this.connection = connection;
    this.start = start;
    this.#index = start.commandCount;
  }

  get handle(): number {
    return this.start.attempt;
  }

  /** Issues a command in the turn after every delivery made so far, or after `after` of them. */
  issue(
    body: CommandBody,
    { after = this.deliveries().length + this.start.deliveryCount, name = "" } = {},
  ): number {
    const index = this.#index++;
    // The body and what the SDK adds make up a command of the same kind.
    const command = { ...body, index, after, outside: false, name } as Command;
    this.harness.say(this.connection, { kind: "command", attempt: this.handle, command });
    return index;
  }

  end(value: string): void {
    const result = { ok: true, value: bytes(value) } as const;
    this.harness.say(this.connection, { kind: "end", attempt: this.handle, result });
  }

  /** The closure or probe of the run's present go reports. */
  report(command: number, report: RunReport): void {
    const go = this.gos().findLast((it) => it.command === command);
    if (go === undefined) throw new Error(`run ${command} has no go`);
    const base = { attempt: this.handle, command, try: go.try };
    if ("value" in report) {
      const result = { ok: true, value: bytes(report.value) } as const;
      const { deliveries = null } = report;
      this.harness.say(this.connection, { kind: "run-result", ...base, result, deliveries });
    } else if ("error" in report) {
      const failure = { name: "Error", message: report.error, code: 500 };
      const { retryAfterMs = null } = report;
      this.harness.say(this.connection, { kind: "run-failed", ...base, failure, retryAfterMs });
    } else this.harness.say(this.connection, { kind: "run-not-done", ...base });
  }

  fail(message: string): void {
    const failure = { name: "Error", message, code: 500 };
    const more = { stack: "", command: null, retryAfterMs: null };
    this.harness.say(this.connection, { kind: "fail", attempt: this.handle, failure, ...more });
  }

  suspend(): void {
    const deliveries = this.deliveries().length + this.start.deliveryCount;
    this.harness.say(this.connection, { kind: "suspend", attempt: this.handle, deliveries });
  }

  /** It waits, for nothing but calls and attaches. */
  idle(): void {
    const deliveries = this.deliveries().length + this.start.deliveryCount;
    this.harness.say(this.connection, { kind: "idle", attempt: this.handle, deliveries });
  }

  deliveries() {
    const delivers = this.harness.messages(this.connection, "deliver");
    return delivers.filter((it) => it.attempt === this.handle).map((it) => it.delivery);
  }

  gos() {
    return this.harness.messages(this.connection, "go").filter((it) => it.attempt === this.handle);
  }

  aborts() {
    return this.harness
      .messages(this.connection, "abort")
      .filter((it) => it.attempt === this.handle);
  }
}
