/**
 * The start of an attempt: what the worker is told, and what is remembered of it.
 *
 * 1. The start, the journal and the deliveries may run ahead of the disk; a go never does.
 * 2. A handle is taken from the connection's own counter, so it means nothing on another one.
 */
import { assert, broken } from "../../protocol/assert.ts";
import type { ReplayEntry } from "../../protocol/command.ts";
import type { Start } from "../../protocol/message.ts";
import { countPinned } from "./counts.ts";
import { grantGos } from "./gos.ts";
import { invocationIdOf, setStatus, type Invocation } from "./invocation.ts";
import { activeKey, bytesOf, inputKey, parseName, prefixEnd, statePrefix } from "./keys.ts";
import type { StateEntry } from "./key-cache.ts";
import { readJournal } from "./journal.ts";
import { decodeInput } from "./rows.ts";
import { changed, tell, type Attempt, type Connection, type Step } from "./step.ts";

const EMPTY = new Uint8Array(0);
/** Journal entries travel in messages of about this many entries. */
const REPLAY_ENTRIES_PER_MESSAGE = 256;

export function startAttempt(step: Step, connection: Connection, invocation: Invocation): void {
  if (step.memory.attempts.has(invocation.sequence)) {
    broken(`${invocationIdOf(invocation)} already has an attempt`);
  }
  setStatus(invocation, "running", step.nowMs);
  invocation.attempts++;
  countPinned(step, invocation.deployment, connection.version);
  invocation.deployment = connection.version;
  invocation.startedAtMs ??= step.nowMs;
  changed(step, invocation);
  const handle = connection.nextHandle++;
  const attempt: Attempt = {
    connection,
    handle,
    invocation,
    executing: new Map(),
    openRuns: 0,
    idle: false,
    progressed: false,
    stateBytes: null,
  };
  connection.attempts.set(handle, attempt);
  step.memory.attempts.set(invocation.sequence, attempt);
  step.tx.insert(activeKey(invocation.sequence), EMPTY);
  sendStart(step, attempt);
  sendReplay(step, attempt);
  grantGos(step, attempt);
}

/** Forgets the attempt; what becomes of the invocation is the caller's business. */
export function dropAttempt(step: Step, attempt: Attempt): void {
  const { connection, handle, invocation } = attempt;
  if (connection.attempts.get(handle) !== attempt) broken(`attempt ${handle} is not live`);
  connection.attempts.delete(handle);
  step.freed.add(connection);
  step.memory.attempts.delete(invocation.sequence);
  step.loaded.set(invocation.sequence, invocation);
  step.tx.remove(activeKey(invocation.sequence));
}

function sendStart(step: Step, attempt: Attempt): void {
  const { invocation } = attempt;
  const row = step.tx.get(inputKey(invocation.sequence));
  assert(row !== undefined, `${invocationIdOf(invocation)} has no input`);
  const input = decodeInput(row);
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
      state: eagerState(step, attempt),
      commandCount: invocation.commands,
      deliveryCount: invocation.deliveries,
    },
    "now",
  );
}

function sendReplay(step: Step, attempt: Attempt): void {
  let entries: ReplayEntry[] = [];
  const send = (): void => {
    if (entries.length === 0) return;
    tell(step, attempt, { kind: "replay", attempt: attempt.handle, entries }, "now");
    entries = [];
  };
  for (const entry of readJournal(step.tx, attempt.invocation)) {
    entries.push(
      entry.kind === "command"
        ? { kind: "command", command: entry.command }
        : { kind: "delivery", delivery: entry.delivery },
    );
    if (entries.length === REPLAY_ENTRIES_PER_MESSAGE) send();
  }
  send();
}

type EagerState = Start["state"];

/** As much of the key's state as the limit lets through; the rest is fetched when asked for. */
function eagerState(step: Step, attempt: Attempt): EagerState {
  const { invocation, connection } = attempt;
  const { service, key, handler } = invocation.target;
  if (key === null) return { complete: true, entries: [] };
  const manifest = connection.services.get(service)?.handlers.find((it) => it.name === handler);
  if (manifest?.lazyState) return { complete: false, entries: [] };
  const { keys, limits } = step.memory;
  const known = keys.stateOf(service, key);
  if (known !== undefined && known.bytes <= limits.eagerStateBytesMax) {
    attempt.stateBytes = known.bytes;
    return { complete: true, entries: known.entries.map(named) };
  }
  return readState(step, attempt, { service, key });
}

function named([name, value]: StateEntry): readonly [string, Uint8Array] {
  return [parseName(name, 0), value];
}

function readState(
  step: Step,
  attempt: Attempt,
  { service, key }: { readonly service: string; readonly key: string },
): EagerState {
  const prefix = statePrefix(service, key);
  const entries: StateEntry[] = [];
  let bytes = 0;
  let from = prefix;
  const batch = 64;
  for (;;) {
    const rows = step.tx.range({ from, to: prefixEnd(prefix), limit: batch });
    for (const [rowKey, value] of rows) {
      bytes += rowKey.length - prefix.length + value.length;
      if (bytes > step.memory.limits.eagerStateBytesMax) {
        return { complete: false, entries: entries.map(named) };
      }
      entries.push([rowKey.slice(prefix.length), value]);
      from = `${rowKey}\0`;
    }
    if (rows.length < batch) {
      attempt.stateBytes = bytes;
      step.memory.keys.keepState(service, key, { entries, bytes });
      return { complete: true, entries: entries.map(named) };
    }
  }
}
