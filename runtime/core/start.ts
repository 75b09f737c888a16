/**
 * The start of an attempt: what the worker is told, and what is remembered of it.
 *
 * 1. The start, the journal and the deliveries may run ahead of the disk; a go never does.
 * 2. All that a start needs is read before anything is changed: damage among it starts nothing.
 * 3. A handle is taken from the connection's own counter, so it means nothing on another one.
 */
import { broken } from "../../protocol/assert.ts";
import type { Follower } from "../../protocol/message.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import { PackedReplay, type PackedEntry } from "../../protocol/packed-replay.ts";
import { countPinned } from "./counts.ts";
import { pauseDamaged, tryRead } from "./damage.ts";
import {
  chooseFollowers,
  NO_CHAIN,
  takeFollower,
  voidFollowers,
  type Handover,
} from "./followers.ts";
import { keepFolded } from "./fold.ts";
import { grantGos } from "./gos.ts";
import { readInput } from "./history.ts";
import { invocationIdOf, setStatus, type Invocation } from "./invocation.ts";
import { activeKey, bytesOf, parseName, prefixEnd, statePrefix } from "./keys.ts";
import { KeptHistory } from "./kept-history.ts";
import type { KeyState, StateEntry } from "./key-cache.ts";
import { journalRows } from "./journal.ts";
import { countOffRoom } from "./room.ts";
import { type InputRow, type Run } from "./rows.ts";
import { readRuns } from "./run-rows.ts";
import { noneAlong } from "./state-along.ts";
import { largeStateBytes } from "./state-size.ts";
import { openEntry } from "./stored-entry.ts";
import { changed, tell, type Attempt, type Connection, type Step } from "./step.ts";
import { DamagedRow, DamagedRowError } from "./tx.ts";

const EMPTY = new Uint8Array(0);
/** Journal entries travel in messages of about this many entries. */
const REPLAY_ENTRIES_PER_MESSAGE = 256;

/**
 * Starts a ready invocation that stands nowhere any more; or pauses it, when a row that it needs is
 * damaged: whoever has looked at it says how it goes on.
 */
export function startAttempt(
  step: Step,
  connection: Connection,
  invocation: Invocation,
  handover?: Handover,
): void {
  if (step.memory.attempts.has(invocation.sequence)) {
    broken(`${invocationIdOf(invocation)} already has an attempt`);
  }
  const following = handover && takeFollower(handover, connection, invocation);
  if (handover && following) {
    // Its worker has all of it, and may be through with it.
    const { stateBytes } = handover;
    begin(step, connection, invocation, {
      ...following,
      stateBytes,
      along: null,
      kept: new KeptHistory(undefined),
    });
    return;
  }
  const needed = tryRead(() => readNeeded(step, connection, invocation));
  if (needed instanceof DamagedRowError) {
    pauseDamaged(step, invocation, needed);
    return;
  }
  const handle = connection.nextHandle++;
  const { state, journal, runs } = needed;
  // Behind those that were announced and are void now, none is announced.
  const mayLead = handover?.followers.length === 0 && state.complete && journal.length === 0;
  const chain = mayLead ? chooseFollowers(step, connection, invocation, handover) : NO_CHAIN;
  const along = state.along && invocation.mode === "exclusive" ? noneAlong() : null;
  const { kept } = needed;
  const known = { handle, stateBytes: state.bytes, along, kept, followers: chain.announced };
  const attempt = begin(step, connection, invocation, known);
  sendStart(step, attempt, needed, chain.sent);
  sendReplay(step, attempt, journal);
  grantGos(step, attempt, runs);
}

/** From now on what its worker says for this handle is taken. */
function begin(
  step: Step,
  connection: Connection,
  invocation: Invocation,
  known: Pick<Attempt, "handle" | "stateBytes" | "along" | "kept" | "followers">,
): Attempt {
  setStatus(invocation, "running", step.nowMs);
  keepFolded(invocation);
  invocation.attempts++;
  countPinned(step, invocation.deployment, connection.version);
  invocation.deployment = connection.version;
  invocation.startedAtMs ??= step.nowMs;
  changed(step, invocation);
  const { handle, stateBytes, along, kept, followers } = known;
  const attempt: Attempt = {
    connection,
    handle,
    invocation,
    runs: new NumberMap(),
    idle: false,
    progressed: false,
    stateBytes,
    along,
    kept,
    followers,
    shortRows: undefined,
  };
  connection.attempts.set(handle, attempt);
  step.memory.attempts.set(invocation.sequence, attempt);
  step.tx.insert(activeKey(invocation.sequence), EMPTY);
  return attempt;
}

/** All that a start reads. */
interface Needed {
  readonly input: InputRow;
  readonly state: EagerState;
  readonly journal: readonly PackedEntry[];
  readonly runs: readonly (readonly [number, Run])[];
  readonly kept: KeptHistory;
}

/** @throws DamagedRowError when any of it is not what was written; nothing has been changed then */
function readNeeded(step: Step, connection: Connection, invocation: Invocation): Needed {
  const input = inputOf(step, invocation);
  const kept = new KeptHistory(input);
  return {
    input,
    state: eagerState(step, connection, invocation),
    journal: readReplay(step, invocation, kept),
    runs: invocation.runs === 0 ? [] : readRuns(step, invocation),
    kept,
  };
}

function inputOf({ tx, admitted }: Step, invocation: Invocation): InputRow {
  if (admitted?.sequence === invocation.sequence) return admitted.input;
  return readInput(tx, invocation) ?? broken(`${invocationIdOf(invocation)} has no input`);
}

function readReplay({ tx }: Step, invocation: Invocation, kept: KeptHistory): PackedEntry[] {
  const entries: PackedEntry[] = [];
  if (invocation.commands + invocation.deliveries === 0) return entries;
  for (const row of journalRows(tx, invocation)) {
    const entry = openEntry(row);
    entries.push(entry);
    kept.addRead(row, entry);
  }
  return entries;
}

/** Forgets the attempt; what becomes of the invocation is the caller's business. */
export function dropAttempt(step: Step, attempt: Attempt): void {
  const { connection, handle, invocation } = attempt;
  if (connection.attempts.get(handle) !== attempt) broken(`attempt ${handle} is not live`);
  connection.attempts.delete(handle);
  countOffRoom(step, connection);
  step.memory.attempts.delete(invocation.sequence);
  step.loaded.set(invocation.sequence, invocation);
  step.tx.remove(activeKey(invocation.sequence));
  voidFollowers(step, connection, invocation, attempt.followers);
}

function sendStart(
  step: Step,
  attempt: Attempt,
  { input, state }: Needed,
  followers: readonly Follower[],
): void {
  const { invocation } = attempt;
  tell(
    step,
    attempt,
    {
      kind: "start",
      attempt: attempt.handle,
      invocationId: invocationIdOf(invocation),
      target: invocation.target,
      attemptNumber: invocation.attempts,
      seed: bytesOf(invocation.seed),
      createdAtMs: invocation.createdAtMs,
      headers: input.headers,
      idempotencyKey: invocation.idempotencyKey,
      input: input.parameter,
      state: { complete: state.complete, entries: state.entries },
      commandCount: invocation.commands,
      deliveryCount: invocation.deliveries,
      followers,
    },
    "now",
  );
}

function sendReplay(step: Step, attempt: Attempt, journal: readonly PackedEntry[]): void {
  for (let at = 0; at < journal.length; at += REPLAY_ENTRIES_PER_MESSAGE) {
    const entries = journal.slice(at, at + REPLAY_ENTRIES_PER_MESSAGE);
    tell(step, attempt, new PackedReplay(attempt.handle, entries), "now");
  }
}

interface EagerState {
  readonly complete: boolean;
  readonly entries: (readonly [string, Uint8Array])[];
  /** Of the whole state; null when that is not known. */
  readonly bytes: number | null;
  /** Whether answers may bring along what the start did not. */
  readonly along: boolean;
}

/** All of the key's state if the limit lets it through, else none: then it is fetched when asked for. */
function eagerState(step: Step, connection: Connection, { target }: Invocation): EagerState {
  const { service, key, handler } = target;
  if (key === null) return { complete: true, entries: [], bytes: null, along: false };
  const manifest = connection.services.get(service)?.handlers.find((it) => it.name === handler);
  if (manifest?.lazyState) return { complete: false, entries: [], bytes: null, along: false };
  const { keys, limits } = step.memory;
  const known = keys.stateOf(service, key);
  if (known !== undefined && known.bytes <= limits.eagerStateBytesMax) {
    return complete(known);
  }
  // Of a large state not even the first value is read for nothing: that may be megabytes.
  const bytes = known?.bytes ?? largeStateBytes(step, service, key);
  if (bytes !== undefined && bytes > limits.eagerStateBytesMax) return tooLarge(bytes);
  return readState(step, service, key);
}

function complete({ entries, bytes }: KeyState): EagerState {
  return { complete: true, entries: entries.map(named), bytes, along: false };
}

function tooLarge(bytes: number | null): EagerState {
  return { complete: false, entries: [], bytes, along: true };
}

function named([name, value]: StateEntry): readonly [string, Uint8Array] {
  return [parseName(name, 0), value];
}

function readState(step: Step, service: string, key: string): EagerState {
  const prefix = statePrefix(service, key);
  const entries: StateEntry[] = [];
  let bytes = 0;
  let from = prefix;
  const batch = 64;
  for (;;) {
    const rows = step.tx.range({ from, to: prefixEnd(prefix), limit: batch });
    for (const [rowKey, value] of rows) {
      bytes += rowKey.length - prefix.length + value.length;
      if (bytes > step.memory.limits.eagerStateBytesMax) return tooLarge(null);
      if (value instanceof DamagedRow) throw new DamagedRowError(value.problem);
      entries.push([rowKey.slice(prefix.length), value]);
      from = `${rowKey}\0`;
    }
    if (rows.length < batch) {
      step.memory.keys.keepState(service, key, { entries, bytes });
      return complete({ entries, bytes });
    }
  }
}
