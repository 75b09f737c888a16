/**
 * Every cross-reference between rows, checked: no lock without a holder, no timer without an owner,
 * no orphan. Gives the broken ones as sentences; none is what a sound store has.
 */
import { invocationIdOf, takesKey, type Invocation } from "../../runtime/core/invocation.ts";
import { readOpenCount, readPinnedCounts } from "../../runtime/core/counts.ts";
import {
  activeKey,
  EXPIRIES,
  expiryKey,
  inboxKey,
  inputKey,
  INVOCATIONS,
  invocationKey,
  deploymentKey,
  journalKey,
  journalPrefix,
  lockKey,
  outcomeKey,
  parkedKey,
  parseExpiryKey,
  parseTimerKey,
  pausedKeyKey,
  pendingKey,
  pendingPrefix,
  prefixEnd,
  readU48,
  readyKey,
  runKey,
  runPrefix,
  SERVICES,
  timerKey,
  waiterKey,
  type Expiry,
  type Timer,
} from "../../runtime/core/keys.ts";
import { keyPausedSince, servicePausedSince } from "../../runtime/core/pauses.ts";
import {
  decodeInvocation,
  decodeJournalEntry,
  decodeLock,
  decodeNumber,
  decodePending,
  decodeRun,
  decodeService,
  type Run,
} from "../../runtime/core/rows.ts";
import { LARGE_STATE_BYTES } from "../../runtime/core/state-size.ts";
import type { ReadTx, Row } from "../../runtime/core/tx.ts";

export function brokenReferences(tx: ReadTx): string[] {
  const check = new Check(tx);
  check.invocations();
  check.timers();
  check.expiries();
  check.state();
  check.locks();
  check.owners();
  check.counts();
  return check.broken;
}

class Check {
  readonly broken: string[] = [];
  readonly #tx: ReadTx;
  readonly #invocations = new Map<number, Invocation>();
  readonly #inboxes = new Map<string, number>();

  constructor(tx: ReadTx) {
    this.#tx = tx;
    for (const [key, value] of this.#all(INVOCATIONS)) {
      const sequence = readU48(key, 1);
      this.#invocations.set(sequence, decodeInvocation(sequence, value));
    }
  }

  invocations(): void {
    for (const it of this.#invocations.values()) {
      const id = `${it.status} ${invocationIdOf(it)}`;
      const has = (key: string): boolean => this.#tx.get(key) !== undefined;
      this.#expect(has(inputKey(it.sequence)), `${id} has no input`);
      const ended = it.status === "completed";
      this.#expect(has(outcomeKey(it.sequence)) === ended, `${id}: outcome row is wrong`);
      this.#expect(has(activeKey(it.sequence)) === (it.status === "running"), `${id}: active row`);
      this.#queued(it, id);
      const entries = this.#all(journalPrefix(it.sequence)).length;
      this.#expect(this.#journalIs(entries, it), `${id} has ${entries} journal rows`);
      this.#outstanding(it, id);
      this.#place(it, id);
      this.#ownTimers(it, id);
    }
  }

  /** Whole; or going, or gone, when its retention is over before the rest. */
  #journalIs(entries: number, it: Invocation): boolean {
    const recorded = it.commands + it.deliveries;
    if (it.purging) return entries <= recorded;
    if (it.journalExpiresAtMs === null) return entries === recorded;
    return this.#expires(it, "journal") ? entries <= recorded : entries === 0;
  }

  #expires(it: Invocation, kind: Expiry["kind"]): boolean {
    const dueAtMs = kind === "journal" ? it.journalExpiresAtMs : it.expiresAtMs;
    if (dueAtMs === null) return false;
    return this.#tx.get(expiryKey({ dueAtMs, sequence: it.sequence, kind })) !== undefined;
  }

  /** What is ready stands in its queue, or is parked because of its key's pause: one of them. */
  #queued(it: Invocation, id: string): void {
    const { deployment, target, sequence } = it;
    const has = (key: string): boolean => this.#tx.get(key) !== undefined;
    const queued = has(readyKey({ ...target, version: deployment ?? "" }, sequence));
    const parked = has(parkedKey(target.service, target.key ?? "", sequence));
    const ready = it.status === "ready";
    this.#expect(queued === (ready && !it.parked), `${id}: ready row is ${queued}`);
    this.#expect(parked === it.parked, `${id}: parked row is ${parked}, the record says otherwise`);
    this.#expect(ready || !it.parked, `${id} is parked and not ready`);
    const mark = this.#tx.get(pausedKeyKey(target.service, target.key ?? ""));
    this.#expect(
      !parked || mark !== undefined,
      `${id} is parked, and nothing says its key is paused`,
    );
    const running = it.status === "running";
    const keyPaused = target.key !== null && keyPausedSince(this.#tx, target.service, target.key);
    this.#expect(!running || !keyPaused, `${id} runs although its key is paused`);
    const servicePaused = servicePausedSince(this.#tx, target.service);
    this.#expect(!running || !servicePaused, `${id} runs although its service is paused`);
  }

  #outstanding(it: Invocation, id: string): void {
    const pending = this.#all(pendingPrefix(it.sequence));
    this.#expect(
      pending.length === it.pending,
      `${id} counts ${it.pending} pending, has ${pending.length}`,
    );
    const runs = this.#all(runPrefix(it.sequence));
    this.#expect(runs.length === it.runs, `${id} counts ${it.runs} runs, has ${runs.length}`);
    if (it.status === "completed") this.#expect(it.pending + it.runs === 0, `${id} still waits`);
    for (const [, value] of runs) this.#run(decodeRun(value), it, id);
    for (const [key, value] of pending) {
      const completionId = key.slice(-4);
      const row = decodePending(value);
      const number = [...completionId].reduce((sum, byte) => sum * 256 + byte.charCodeAt(0), 0);
      this.#expect(this.#isCommandOf(it, row.entry, number), `${id}: entry ${row.entry} waits not`);
      if (row.kind === "sleep") {
        const timer = {
          dueAtMs: row.dueAtMs,
          sequence: it.sequence,
          kind: "sleep",
          id: number,
        } as const;
        this.#expect(this.#tx.get(timerKey(timer)) !== undefined, `${id} sleeps without a timer`);
      } else if (row.kind === "attach") {
        const waiter = waiterKey(row.target, it.sequence, number);
        this.#expect(this.#tx.get(waiter) !== undefined, `${id} attaches and is no waiter`);
      } else if (row.kind === "call") {
        const child = this.#invocations.get(row.child);
        this.#expect(
          child !== undefined && child.status !== "completed",
          `${id} waits for a child that is gone`,
        );
      }
    }
  }

  #run(run: Run, it: Invocation, id: string): void {
    const what = `${id}, run of mode ${run.mode}`;
    this.#expect(run.tries > 0, `${what}: recorded without a go`);
    this.#expect(run.mode !== "at-most-once" || run.tries === 1, `${what}: ${run.tries} tries`);
    this.#expect(
      run.mayHaveHappened,
      `${what}: its closure was let go, and the row does not say that it may have happened`,
    );
    const failing = run.failures > 0 && run.failingSinceMs !== null;
    this.#expect(failing || run.failures === 0, `${what}: fails since no time`);
    this.#expect(run.nextTryAtMs === null || !run.cancelled, `${what}: cancelled, and backs off`);
    this.#expect(run.completionId <= it.completionIdMax, `${what}: of an unknown completion`);
  }

  /** Whether this entry of the journal is the command that made the completion id. */
  #isCommandOf(it: Invocation, entry: number, completionId: number): boolean {
    const row = this.#tx.get(journalKey(it.sequence, entry));
    const found = row && decodeJournalEntry(row);
    if (found?.kind !== "command" || !("completionId" in found.command)) return false;
    return found.command.completionId === completionId;
  }

  #place(it: Invocation, id: string): void {
    if (!takesKey(it)) return;
    const { service, key } = it.target;
    const row = this.#tx.get(lockKey(service, key ?? ""));
    const holds = row !== undefined && decodeLock(row).holder === it.sequence;
    const shouldHold = !["scheduled", "inboxed", "completed"].includes(it.status);
    this.#expect(holds === shouldHold, `${id}: holds its key: ${holds}`);
    if (it.status !== "inboxed") return;
    const inbox = this.#tx.get(inboxKey(service, key ?? "", it.inboxOrder));
    this.#expect(
      inbox !== undefined && decodeNumber(inbox) === it.sequence,
      `${id} is in no inbox`,
    );
    const address = lockKey(service, key ?? "");
    this.#inboxes.set(address, (this.#inboxes.get(address) ?? 0) + 1);
  }

  #ownTimers(it: Invocation, id: string): void {
    const armed = (kind: Timer["kind"], dueAtMs: number | null): boolean =>
      dueAtMs !== null &&
      this.#tx.get(timerKey({ dueAtMs, sequence: it.sequence, kind, id: 0 })) !== undefined;
    if (it.status === "scheduled")
      this.#expect(armed("start", it.scheduledForMs), `${id} has no start timer`);
    if (it.status === "backing-off") {
      const why = it.failures > 0 || it.losses > 0;
      this.#expect(why, `${id} with no failure and no loss`);
    }
    if (it.status === "backing-off")
      this.#expect(armed("retry", it.nextAttemptAtMs), `${id} has no retry timer`);
    const expiries = [this.#expires(it, "journal"), this.#expires(it, "purge")];
    const wanted = it.status === "completed" ? 1 : 0;
    const counted = expiries.filter(Boolean).length;
    this.#expect(counted === wanted, `${id} has ${counted} expiry rows`);
    if (it.purging) this.#expect(this.#expires(it, "purge"), `${id} is purging and never will be`);
  }

  /** What expires has an owner that has ended and wants it. */
  expiries(): void {
    for (const [key] of this.#all(EXPIRIES)) {
      const { dueAtMs, sequence, kind } = parseExpiryKey(key);
      const owner = this.#invocations.get(sequence);
      const due = kind === "journal" ? owner?.journalExpiresAtMs : owner?.expiresAtMs;
      const wanted = owner?.status === "completed" && due === dueAtMs;
      this.#expect(wanted, `a ${kind} expiry that its ${owner?.status ?? "missing"} owner lacks`);
    }
  }

  /** State of workflows hangs on their run; the size of a large state is kept beside it. */
  state(): void {
    const workflows = new Set<string>();
    for (const [, value] of this.#all(SERVICES)) {
      const { manifest } = decodeService(value);
      if (manifest.kind === "workflow") workflows.add(manifest.name);
    }
    const sizes = new Map<string, number>();
    for (const [key, value] of this.#all("s")) {
      const { service, address } = readAddress(key);
      const named = this.#tx.get(`W${address}`) !== undefined;
      if (workflows.has(service)) this.#expect(named, `state of a workflow "${service}" of nobody`);
      const bytes = key.length - 1 - address.length + value.length;
      sizes.set(address, (sizes.get(address) ?? 0) + bytes);
    }
    for (const [key, value] of this.#all("b")) {
      const bytes = sizes.get(key.slice(1)) ?? 0;
      const kept = decodeNumber(value);
      this.#expect(kept === bytes, `a state of ${bytes} bytes is kept as ${kept}`);
    }
    for (const [address, bytes] of sizes) {
      const kept = this.#tx.get(`b${address}`) !== undefined;
      const large = bytes > LARGE_STATE_BYTES;
      this.#expect(kept === large, `a state of ${bytes} bytes has its size kept: ${kept}`);
    }
  }

  timers(): void {
    for (const [key] of this.#all("t")) {
      const timer = parseTimerKey(key);
      const owner = this.#invocations.get(timer.sequence);
      const what = `a ${timer.kind} timer`;
      // These reach whom they reach: it may have ended, and been purged.
      if (timer.kind === "cancel" || timer.kind === "kill") continue;
      if (owner === undefined) {
        this.broken.push(`${what} of nobody`);
        continue;
      }
      const wanted = {
        start: () => owner.status === "scheduled" && owner.scheduledForMs === timer.dueAtMs,
        retry: () => owner.status === "backing-off" && owner.nextAttemptAtMs === timer.dueAtMs,
        resume: () => owner.status === "suspended" && owner.nextAttemptAtMs === timer.dueAtMs,
        sleep: () => this.#tx.get(pendingKey(owner.sequence, timer.id)) !== undefined,
        "run-retry": () => {
          const row = this.#tx.get(runKey(owner.sequence, timer.id));
          return row !== undefined && decodeRun(row).nextTryAtMs === timer.dueAtMs;
        },
      }[timer.kind];
      this.#expect(wanted(), `${what} that its ${owner.status} owner does not want`);
    }
  }

  locks(): void {
    for (const [key, value] of this.#all("k")) {
      const { holder, waiting, sinceMs } = decodeLock(value);
      const owner = this.#invocations.get(holder);
      this.#expect((owner?.createdAtMs ?? 0) <= sinceMs, "a key held before its holder was made");
      this.#expect(owner !== undefined && owner.status !== "completed", "a key held by nobody");
      const inboxed = this.#inboxes.get(key) ?? 0;
      this.#expect(inboxed === waiting, `a lock counts ${waiting} waiting, ${inboxed} are`);
    }
  }

  /** Rows that hang on a sequence number hang on an invocation that is there. */
  owners(): void {
    for (const prefix of ["i", "o", "j", "p", "r", "a", "w"]) {
      for (const [key] of this.#all(prefix)) {
        const there = this.#tx.get(invocationKey(readU48(key, 1))) !== undefined;
        this.#expect(there, `a row "${prefix}" of an invocation that is not there`);
      }
    }
    for (const prefix of ["R", "x"]) {
      for (const [key] of this.#all(prefix)) {
        const owner = this.#invocations.get(readU48(key, key.length - 6));
        this.#expect(owner?.status === "ready", `a row "${prefix}" of what is not ready`);
      }
    }
    for (const prefix of ["y", "W", "q"]) {
      for (const [, value] of this.#all(prefix)) {
        const there = this.#invocations.has(decodeNumber(value));
        this.#expect(there, `a row "${prefix}" that names an invocation that is not there`);
      }
    }
  }

  /** Open invocations are counted, in all and by deployment. */
  counts(): void {
    const open = [...this.#invocations.values()].filter((it) => it.status !== "completed");
    const counted = readOpenCount(this.#tx);
    this.#expect(counted === open.length, `${open.length} are open, ${counted} counted`);
    const pinned = readPinnedCounts(this.#tx);
    for (const version of new Set([
      ...pinned.keys(),
      ...open.flatMap((it) => it.deployment ?? []),
    ])) {
      const there = open.filter((it) => it.deployment === version).length;
      const registered = this.#tx.get(deploymentKey(version)) !== undefined;
      this.#expect(registered, `${there} are pinned to ${version}, which is not known`);
      const known = pinned.get(version) ?? 0;
      this.#expect(known === there, `${there} are pinned to ${version}, ${known} counted`);
    }
  }

  #expect(holds: boolean, otherwise: string): void {
    if (!holds) this.broken.push(otherwise);
  }

  #all(prefix: string): Row[] {
    const limit = 1_000_000;
    return this.#tx.range({ from: prefix, to: prefixEnd(prefix), limit });
  }
}

/** Service and key in front of a row of state: `address` is that part of the row's key. */
function readAddress(key: string): { readonly service: string; readonly address: string } {
  const length = (at: number): number => key.charCodeAt(at) * 256 + key.charCodeAt(at + 1);
  const serviceEnd = 3 + length(1);
  const keyEnd = serviceEnd + 2 + length(serviceEnd);
  return { service: key.slice(3, serviceEnd), address: key.slice(1, keyEnd) };
}
