/**
 * What is on the disk, followed row by row as it becomes durable. Sees every change at the moment at
 * which it happens, so that no invariant has to wait for the end, or scan.
 *
 * 1. A journal only grows, and not at all once its invocation has ended (I7, I17); then it may give up values.
 * 2. An outcome is written once (I13).
 * 3. A completion id is issued before it is completed, and completed once (I10, I11, I16).
 * 4. Timers stand for statuses (I19): see timer-watch.ts.
 */
import { isDeepStrictEqual } from "node:util";
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { parseInvocationId } from "../../protocol/ids.ts";
import type { Result } from "../../protocol/payload.ts";
import { readRecord } from "../../runtime/core/catch-up.ts";
import { idPartsOf, invocationIdOf, type Invocation } from "../../runtime/core/invocation.ts";
import { readInput, readOutcome } from "../../runtime/core/history.ts";
import { entriesIn } from "../../runtime/core/joined-rows.ts";
import { readU32, readU48 } from "../../runtime/core/keys.ts";
import { decodeInvocation, decodeJournalEntry } from "../../runtime/core/rows.ts";
import { unpackJournal } from "../../runtime/core/sealed-history.ts";
import { isSealed } from "../../runtime/core/sealed-record.ts";
import type { MemoryDisk } from "../../runtime/store/memory.ts";
import { SeenRows } from "../support/check-rows.ts";
import { shortenedRow } from "../support/shortened-row.ts";
import { TimerWatch } from "./timer-watch.ts";
import { must } from "./violation.ts";

export interface Completion {
  readonly result: CompletionResult;
  readonly atMs: number;
  /** Which of the deliveries it is. */
  readonly ordinal: number;
}

export interface Cancellation {
  readonly atMs: number;
  readonly ordinal: number;
}

/** One journal, as far as it is durable. */
export interface Journal {
  readonly rows: Uint8Array[];
  readonly commands: {
    readonly command: Command;
    readonly atMs: number;
    readonly child: number | null;
  }[];
  readonly completions: Map<number, Completion>;
  readonly issued: Map<number, Command>;
  readonly patches: Set<string>;
  /** By the label that programs give. */
  readonly byName: Map<string, Command>;
  lastAtMs: number;
  deliveries: number;
  readonly cancellations: Cancellation[];
  signals: { readonly signal: string; readonly result: Result }[];
}

const NOTHING = new Uint8Array(0);

export class Durable {
  readonly disk: MemoryDisk;
  readonly #journals = new Map<number, Journal>();
  /** Rows of records by their sequence: they are asked for more often than anything else. */
  readonly #records = new Map<number, Uint8Array>();
  readonly #decoded = new Map<
    number,
    { row: Uint8Array; entries: number; invocation: Invocation }
  >();
  readonly #violations: Error[] = [];
  readonly #timers = new TimerWatch();
  /** What was here once, ended, and was purged. */
  readonly #forgotten = new Set<number>();
  /** Children that some journal has named, be it still there or not (I3). */
  readonly children = new Set<number>();
  /** What earlier checks of all rows have seen of them. */
  readonly seen = new SeenRows();

  constructor(disk: MemoryDisk) {
    this.disk = disk;
    const { rows } = disk;
    const set = rows.set.bind(rows);
    const remove = rows.delete.bind(rows);
    rows.set = (key, value) => {
      this.#guard(() => this.#onSet(key, value));
      set(key, value);
      if (key.startsWith("I")) this.#records.set(readU48(key, 1), value);
    };
    rows.delete = (key) => {
      const sequence = readU48(key, 1);
      this.#timers.onRemove(key);
      if (key.startsWith("I")) {
        this.#timers.onRecord(sequence);
        this.#forgotten.add(sequence);
        this.#records.delete(sequence);
        this.#journals.delete(sequence);
        // A sealed journal goes into its record: its rows go, and it stays.
      } else if (key.startsWith("j") && this.invocation(sequence)?.inRecord?.journal == null) {
        this.#journals.delete(sequence);
      }
      remove(key);
    };
  }

  /** The first thing that did not hold as something became durable. */
  get violation(): Error | undefined {
    return this.#violations[0];
  }

  /** A step is over: what it wrote is whole. */
  settle(): void {
    this.#guard(() => this.#timers.check((sequence) => this.invocation(sequence)));
  }

  journal(sequence: number): Journal | undefined {
    return this.#journals.get(sequence);
  }

  invocation(sequence: number): Invocation | undefined {
    const row = this.#records.get(sequence);
    if (row === undefined) return undefined;
    const known = this.#decoded.get(sequence);
    // The record of what runs lags behind its journal.
    const entries = this.#journals.get(sequence)?.rows.length ?? 0;
    if (known?.row === row && known.entries === entries) return known.invocation;
    const invocation = readRecord(this.disk.rows, sequence, row);
    this.#decoded.set(sequence, { row, entries, invocation });
    return invocation;
  }

  /** In the order in which they were accepted. */
  invocations(): Invocation[] {
    const sequences = [...this.#records.keys()].sort((a, b) => a - b);
    return sequences.flatMap((it) => this.invocation(it) ?? []);
  }

  find(id: string): Invocation | undefined {
    const parts = parseInvocationId(id);
    const invocation = parts && this.invocation(parts.sequence);
    if (invocation === undefined) return undefined;
    const own = idPartsOf(invocation);
    return own.tag === parts?.tag && own.epoch === parts.epoch ? invocation : undefined;
  }

  /** Whether this very result is recorded. */
  holds(id: string, completionId: number, result: CompletionResult): boolean {
    const invocation = this.find(id);
    const journal = invocation && this.journal(invocation.sequence);
    const recorded = journal?.completions.get(completionId)?.result;
    return recorded !== undefined && isDeepStrictEqual(recorded, result);
  }

  /** Commands that a replay matches where they stand: a patch is matched wherever it is asked for. */
  hasCommandsInPlace(id: string): boolean {
    const invocation = this.find(id);
    const commands = invocation && this.journal(invocation.sequence)?.commands;
    return commands?.some(({ command }) => command.kind !== "patched") ?? false;
  }

  isForgotten(id: string): boolean {
    return this.#forgotten.has(parseInvocationId(id)?.sequence ?? 0);
  }

  outcome(sequence: number): Result | undefined {
    const it = this.invocation(sequence);
    return it && readOutcome(this.disk.rows, it)?.result;
  }

  parameter(sequence: number): Uint8Array | undefined {
    const it = this.invocation(sequence);
    return it && readInput(this.disk.rows, it)?.parameter;
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#violations.push(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #onSet(rowKey: string, value: Uint8Array): void {
    if (rowKey.startsWith("j")) this.#onJournalRow(readU48(rowKey, 1), readU32(rowKey, 7), value);
    else if (rowKey.startsWith("I")) this.#onRecord(readU48(rowKey, 1), value);
    else if (rowKey.startsWith("t")) this.#timers.onSet(rowKey);
    else if (rowKey.startsWith("o")) {
      const before = this.disk.rows.get(rowKey);
      const same = before === undefined || Buffer.compare(before, value) === 0;
      must(same, `I13: the outcome of ${readU48(rowKey, 1)} was written a second time`);
    }
  }

  /** A sealed record holds the end of a journal, and mostly all of it; one of what waits its beginning. */
  #onRecord(sequence: number, value: Uint8Array): void {
    this.#timers.onRecord(sequence);
    const record = decodeInvocation(sequence, value);
    if (!isSealed(value)) {
      this.#onFolded(record);
      return;
    }
    const { inRecord: sealed, ...rest } = record;
    const before = this.invocation(sequence);
    const [ended, length] = [before?.inRecord?.outcome, rest.commands + rest.deliveries];
    const grew = before?.status === "completed" && length !== before.commands + before.deliveries;
    must(!grew, `I17: the journal of ${sequence} grew after its end`);
    const same = ended == null || Buffer.compare(ended, sealed?.outcome ?? NOTHING) === 0;
    must(same, `I13: the outcome of ${sequence} was written a second time`);
    if (sealed?.journal != null) {
      const rows = unpackJournal(sealed.journal, record);
      rows.forEach((row, index) => this.#onEntry(sequence, index, row, true));
      // What is not in it stays in rows, which are counted when all are looked at (I20).
      const whole = rows.length === length;
      const known = this.#journals.get(sequence)?.rows.length;
      must(!whole || known === length, `I7: the journal of ${sequence} grew when it was sealed`);
    } else if (before?.inRecord?.journal != null) this.#journals.delete(sequence);
  }

  #onFolded(record: Invocation): void {
    const part = record.inRecord?.journal;
    if (part == null) return;
    const { sequence } = record;
    const rows = unpackJournal(part, record);
    rows.forEach((row, index) => this.#onEntry(sequence, index, row));
    const told = record.commands + record.deliveries;
    must(
      rows.length <= told,
      `I7: the record of ${sequence} holds entries that it does not tell of`,
    );
  }

  #onJournalRow(sequence: number, index: number, value: Uint8Array): void {
    const [first, second] = entriesIn(value);
    this.#onEntry(sequence, index, first);
    if (second) this.#onEntry(sequence, index + 1, second);
  }

  #onEntry(sequence: number, index: number, value: Uint8Array, sealed = false): void {
    const journal = this.#journals.get(sequence) ?? emptyJournal();
    this.#journals.set(sequence, journal);
    const name = `invocation ${sequence}`;
    const before = journal.rows[index];
    if (before !== undefined) {
      const short = sealed ? shortenedRow(before) : undefined;
      const same = [before, short].some((it) => it && Buffer.compare(it, value) === 0);
      must(same, `I7: entry ${index} of ${name} was rewritten`);
      return;
    }
    must(
      index === journal.rows.length,
      `I7: entry ${index} of ${name} follows ${journal.rows.length - 1}`,
    );
    // Of the batch that ends it, the record comes before the rows.
    const record = this.invocation(sequence);
    const ended = record?.status === "completed" && index >= record.commands + record.deliveries;
    must(!ended, `I17: the journal of ${name} grew after its end`);
    journal.rows.push(value);
    append(journal, value, name);
    const child = journal.commands.at(-1)?.child;
    if (child != null) this.children.add(child);
  }
}

function emptyJournal(): Journal {
  return {
    rows: [],
    commands: [],
    completions: new Map(),
    issued: new Map(),
    patches: new Set(),
    byName: new Map(),
    lastAtMs: 0,
    deliveries: 0,
    cancellations: [],
    signals: [],
  };
}

function append(journal: Journal, value: Uint8Array, name: string): void {
  const entry = decodeJournalEntry(value);
  must(
    entry.atMs >= journal.lastAtMs,
    `I10: time went back by ${journal.lastAtMs - entry.atMs} ms`,
  );
  journal.lastAtMs = entry.atMs;
  if (entry.kind === "command") {
    const { command, atMs, child } = entry;
    must(
      command.index === journal.commands.length,
      `I7: command ${command.index} of ${name} is number ${journal.commands.length}`,
    );
    must(command.after <= journal.deliveries, `rule 8: a command of ${name} saw what is not there`);
    journal.commands.push({ command, atMs, child });
    if (command.kind === "patched") journal.patches.add(command.patch);
    if (command.name !== "") journal.byName.set(command.name, command);
    if (!("completionId" in command) || command.kind === "withdraw") return;
    must(!journal.issued.has(command.completionId), `a completion id of ${name} came twice`);
    journal.issued.set(command.completionId, command);
    return;
  }
  const ordinal = ++journal.deliveries;
  const { delivery, atMs } = entry;
  if (delivery.kind === "cancellation") journal.cancellations.push({ atMs, ordinal });
  else if (delivery.kind === "signal") journal.signals.push(delivery);
  else {
    const { completionId, result } = delivery;
    must(journal.issued.has(completionId), `I16: ${name} got a completion it had not asked for`);
    must(!journal.completions.has(completionId), `I10, I11, I16: ${name} got a completion twice`);
    journal.completions.set(completionId, { result, atMs, ordinal });
  }
}

export function nameOf(invocation: Invocation): string {
  const { service, handler, key } = invocation.target;
  return `${service}/${key ?? ""}/${handler} ${invocationIdOf(invocation)}`;
}
