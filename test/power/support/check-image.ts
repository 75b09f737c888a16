/**
 * One image: opened as after a power loss, looked at as it lies there, recovered, served until all
 * is done, and looked at again. The names of the invariants are those of docs/testing.md.
 */
import { createHash } from "node:crypto";
import { parseInvocationId } from "../../../protocol/ids.ts";
import { readRecord } from "../../../runtime/core/catch-up.ts";
import { invocationIdOf, takesKey, type Invocation } from "../../../runtime/core/invocation.ts";
import { readInput, readOutcome } from "../../../runtime/core/history.ts";
import { byIndex, findCommand, journalRows } from "../../../runtime/core/journal.ts";
import {
  idempotencyKey,
  INVOCATIONS,
  invocationKey,
  prefixEnd,
  readU48,
  runKey,
  stateKey,
} from "../../../runtime/core/keys.ts";
import { decodeNumber, decodeRun } from "../../../runtime/core/rows.ts";
import type { ReadTx } from "../../../runtime/core/tx.ts";
import { openDirectory } from "../../../runtime/store/directory.ts";
import type { Store } from "../../../runtime/store/store.ts";
import { brokenReferences } from "../../support/check-rows.ts";
import { shortenedRow } from "../../support/shortened-row.ts";
import type { Observed } from "./load.ts";
import { recoverAndServe, type Recovered } from "./recovered.ts";
import type { Acknowledgement } from "./recording.ts";
import { Snapshot } from "./snapshot.ts";
import type { ToldGo } from "./worker-wire.ts";

const ALL = 10_000_000;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** An answer that the outside saw. */
export type Told = Omit<Acknowledgement, "socket">;

/** What earlier images of the recording held: all images are points of one history. */
interface Remembered {
  readonly batch: number;
  readonly entries: readonly string[];
}

export class ImageHistory {
  readonly #acknowledgements: readonly Told[];
  readonly #goes: readonly ToldGo[];
  readonly #observed: readonly Observed[];
  readonly #rowsAt = new Map<number, string>();
  readonly #journals = new Map<string, Remembered>();

  /** @param acknowledgements in the order in which they were given */
  constructor(
    acknowledgements: readonly Told[],
    observed: readonly Observed[],
    goes: readonly ToldGo[] = [],
  ) {
    this.#acknowledgements = acknowledgements;
    this.#goes = goes;
    this.#observed = observed;
  }

  /** What is broken in the image of a power loss at this line, as sentences. */
  async check(dataDir: string, cutLine: number): Promise<string[]> {
    try {
      const opened = await openDirectory(dataDir);
      const { store } = opened;
      const found = [...this.#asItLies(new Snapshot(store), cutLine)];
      if (found.length > 0) return found;
      const runtime = await recoverAndServe(store);
      found.push(...(await this.#served(store, runtime, cutLine)));
      await runtime.close();
      await opened.close();
      return found;
    } catch (error) {
      return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    }
  }

  *#asItLies(store: Snapshot, cutLine: number): Generator<string> {
    const invocations = allInvocations(store);
    yield* this.#acknowledged(store, cutLine);
    yield* this.#let(store, cutLine);
    yield* this.#wholeBatches(store);
    for (const it of invocations) yield* this.#grows(store, it);
    yield* idempotencyKeys(store, invocations);
    yield* lists(store, invocations, "begun");
    for (const broken of brokenReferences(store)) yield `I4/I19/I20: ${broken}`;
  }

  /** I1: whatever was answered before the power went is there, as it was told. */
  *#acknowledged(store: Snapshot, cutLine: number): Generator<string> {
    for (const { id, status, body, line } of this.#acknowledgements) {
      if (line > cutLine) return;
      const invocation = find(store, id);
      if (invocation === undefined) yield `I1: ${id} was answered (${status}) and is not there`;
      else if (status === 200 && outcomeOf(store, invocation) !== body) {
        yield `I1: ${id} was answered ${body}, there is ${outcomeOf(store, invocation)}`;
      }
    }
  }

  /** Rule 2: a closure that may have started has its command and its try on the disk. */
  *#let(store: Snapshot, cutLine: number): Generator<string> {
    for (const { line, id, command, try: number } of this.#goes) {
      if (line > cutLine) return;
      const invocation = find(store, id);
      const what = `rule 2: try ${number} of command ${command} of ${id} was let go`;
      if (invocation === undefined) yield `${what}, and the invocation is not there`;
      else if (invocation.status !== "completed") {
        const entry = findCommand(store, invocation, byIndex(command));
        const run = store.get(runKey(invocation.sequence, command));
        if (entry === undefined) yield `${what}, and the command is not there`;
        // Without a row it has its result, which comes later still, or its first try.
        else if (triesOf(invocation, command, run) < number)
          yield `${what}, and the try is not there`;
      }
    }
  }

  /** Batches are whole: at the same batch number two images hold the same rows. */
  *#wholeBatches(store: Snapshot): Generator<string> {
    const hash = createHash("sha256");
    for (const [key, value] of store.rows) {
      hash.update(key, "latin1").update(value);
    }
    const rows = hash.digest("hex");
    const before = this.#rowsAt.get(store.batchNumber) ?? rows;
    if (before !== rows) yield `two images at batch ${store.batchNumber} hold different rows`;
    this.#rowsAt.set(store.batchNumber, rows);
  }

  /** I7: a journal only grows. */
  *#grows(store: Snapshot, invocation: Invocation): Generator<string> {
    const id = invocationIdOf(invocation);
    const batch = store.batchNumber;
    const rows = [...journalRows(store, invocation)];
    const entries = rows.map((row) => Buffer.from(row).toString("latin1"));
    const before = this.#journals.get(id) ?? { batch, entries: [] };
    const [older, newer] =
      batch < before.batch ? [entries, before.entries] : [before.entries, entries];
    const same = (row: string, now = ""): boolean => {
      const short = shortenedRow(Buffer.from(row, "latin1"));
      return now === row || (short !== undefined && now === Buffer.from(short).toString("latin1"));
    };
    const grown = older.length <= newer.length && older.every((it, i) => same(it, newer[i]));
    if (!grown) yield `I7: the journal of ${id} does not grow from image to image`;
    if (batch >= before.batch) this.#journals.set(id, { batch, entries });
  }

  async #served(store: Store, runtime: Recovered, cutLine: number): Promise<string[]> {
    const found: string[] = [];
    const end = (invocation: Invocation): Promise<unknown> => {
      const ref = { kind: "id", invocationId: invocationIdOf(invocation) } as const;
      return runtime.ask({ kind: "attach", ref }, new AbortController().signal);
    };
    // More than one round: what ends may have sent to others.
    for (;;) {
      const open = allInvocations(store).filter((it) => it.status !== "completed");
      if (open.length === 0) break;
      await Promise.all(open.map(end));
      await runtime.idle();
    }
    const ended = new Snapshot(store);
    found.push(...lists(ended, allInvocations(ended), "ended"));
    found.push(...brokenReferences(ended).map((it) => `I19/I20 when served: ${it}`));
    found.push(...(await this.#askedAgain(runtime, cutLine)));
    return found;
  }

  /** I12: whoever asks again with the same key gets the same invocation and the same outcome. */
  async #askedAgain({ ask }: Recovered, cutLine: number): Promise<string[]> {
    const acknowledged = new Set(
      this.#acknowledgements.filter((it) => it.line <= cutLine).map((it) => it.id),
    );
    const known = this.#observed.filter((it) => acknowledged.has(it.id)).slice(-4);
    const found: string[] = [];
    for (const { path, asked, idempotencyKey: key, id, status, body } of known) {
      const response = await ask(
        {
          kind: "invoke",
          mode: "call",
          target: targetOf(path),
          parameter: new TextEncoder().encode(asked),
          headers: [["content-type", "application/json"]],
          idempotencyKey: key,
          delayMs: 0,
          entropy: "x".repeat(24),
        },
        new AbortController().signal,
      );
      const same = response.kind === "completed" && response.invocationId === id;
      const outcome = same && response.result.ok ? text(response.result.value) : undefined;
      if (!same || (status === 200 && outcome !== body)) {
        found.push(`I12: "${key}" was ${id} ${body}, now it is ${JSON.stringify(response)}`);
      }
    }
    return found;
  }
}

function targetOf(path: string): { service: string; handler: string; key: string | null } {
  const [service = "", ...rest] = path
    .replace(/\/send$/, "")
    .slice(1)
    .split("/");
  const [key, handler] = rest.length === 2 ? [rest[0] ?? null, rest[1]] : [null, rest[0]];
  return { service, handler: handler ?? "", key };
}

function triesOf({ plainRuns }: Invocation, command: number, row: Uint8Array | undefined): number {
  if (row !== undefined) return decodeRun(row).tries;
  return plainRuns.some((it) => it.command === command) ? 1 : Number.POSITIVE_INFINITY;
}

export function allInvocations(store: ReadTx): Invocation[] {
  const range = { from: INVOCATIONS, to: prefixEnd(INVOCATIONS), limit: ALL };
  return store.range(range).map(([key, row]) => readRecord(store, readU48(key, 1), row));
}

function find(store: ReadTx, id: string): Invocation | undefined {
  const sequence = parseInvocationId(id)?.sequence;
  const row = sequence === undefined ? undefined : store.get(invocationKey(sequence));
  if (sequence === undefined || row === undefined) return undefined;
  const invocation = readRecord(store, sequence, row);
  return invocationIdOf(invocation) === id ? invocation : undefined;
}

function outcomeOf(store: ReadTx, invocation: Invocation): string | undefined {
  const outcome = readOutcome(store, invocation);
  if (outcome === undefined) return undefined;
  const { result } = outcome;
  return result.ok ? text(result.value) : result.failure.message;
}

/** I12: an idempotency key names the one invocation that carries it. */
function* idempotencyKeys(store: ReadTx, invocations: readonly Invocation[]): Generator<string> {
  for (const it of invocations) {
    if (it.idempotencyKey === null) continue;
    const row = store.get(idempotencyKey(it.target, it.idempotencyKey));
    const named = row && decodeNumber(row);
    if (named !== it.sequence) {
      yield `I12: "${it.idempotencyKey}" names ${named}, and ${it.sequence} carries it`;
    }
  }
}

/**
 * I4, I5, I6: the list of each key holds the two marks of each invocation of the key side by side,
 * once, in the order in which they were accepted. Before the image is served the list may end early,
 * but with nothing missing of what has ended.
 */
function* lists(
  store: ReadTx,
  invocations: readonly Invocation[],
  when: "begun" | "ended",
): Generator<string> {
  const byKey = groupByKey(invocations.filter(takesKey));
  for (const [key, its] of byKey) {
    const stored = store.get(stateKey("list", key, "entries"));
    const found = stored === undefined ? [] : (JSON.parse(text(stored)) as string[]); // written by the handler
    const marks = its.flatMap((it) => marksOf(store, it));
    const ended = its.filter((it) => it.status === "completed").length * 2;
    const least = when === "ended" ? marks.length : ended;
    const inOrder = found.every((mark, i) => mark === marks[i]);
    if (!inOrder || found.length < least || found.length > marks.length) {
      yield `I4/I5/I6: key ${key} holds ${found.join()}, accepted were ${marks.join()}, ended ${ended / 2}`;
    }
    if (when === "ended" && ended !== marks.length)
      yield `I2: key ${key} has some that never ended`;
  }
}

function groupByKey(invocations: readonly Invocation[]): Map<string, Invocation[]> {
  const groups = new Map<string, Invocation[]>();
  for (const it of invocations) {
    const key = it.target.key ?? "";
    groups.set(key, [...(groups.get(key) ?? []), it]);
  }
  return groups;
}

function marksOf(store: ReadTx, invocation: Invocation): string[] {
  const input = readInput(store, invocation);
  const entry = input === undefined ? "?" : String(JSON.parse(text(input.parameter)));
  return [`${entry}<`, `${entry}>`];
}
