/**
 * Ready invocations and the workers that may take them.
 *
 * 1. An invocation that has started runs on its deployment only; one that has not, on the
 *    deployment that takes its service's new invocations.
 * 2. A ready invocation starts at once if a worker has room. Else it gets a row in the queue of
 *    (deployment, service), in the order of acceptance, and memory holds nothing of it.
 * 3. Whenever room appears, `fillConnection` takes from the queues that this connection may serve.
 */
import { assert } from "../../protocol/assert.ts";
import { setStatus, type Invocation } from "./invocation.ts";
import { prefixEnd, readU48, readyKey, readyPrefix } from "./keys.ts";
import { startAttempt } from "./start.ts";
import { changed, load, tellWorker, type Connection, type Step } from "./step.ts";
import { renewTries } from "./tries.ts";

const EMPTY = new Uint8Array(0);
/** How many rows of one queue a connection looks at in one go. */
const SCAN_MAX = 64;

/** Status becomes ready, and then, if some worker has room, running; or paused, if that was asked for. */
export function makeReady(step: Step, invocation: Invocation): void {
  invocation.nextAttemptAtMs = null;
  if (invocation.status === "paused") renewTries(step, invocation);
  changed(step, invocation);
  if (invocation.holdRequested) {
    invocation.holdRequested = false;
    setStatus(invocation, "paused", step.nowMs);
    return;
  }
  setStatus(invocation, "ready", step.nowMs);
  const queue = queueOf(invocation);
  const connection = pickConnection(step, invocation);
  if (connection && !step.memory.queues.has(queue)) {
    startAttempt(step, connection, invocation);
    return;
  }
  step.tx.insert(readyKeyOf(invocation), EMPTY);
  step.memory.queues.add(queue);
  // Others may stand in the queue before it: who has room takes them in their order.
  if (connection) step.freed.add(connection);
  else askForRoom(step, invocation);
}

/** Takes a ready invocation that has no attempt out of its queue. */
export function removeFromReady(step: Step, invocation: Invocation): void {
  assert(invocation.status === "ready", `a ${invocation.status} invocation is in no ready queue`);
  step.tx.remove(readyKeyOf(invocation));
}

/** Starts what waits, as long as this connection has room. */
export function fillConnection(step: Step, connection: Connection): void {
  for (const service of connection.services.keys()) {
    if (!hasRoom(connection)) return;
    fillFrom(step, connection, { version: connection.version, service });
    if (step.memory.services.get(service)?.version === connection.version) {
      fillFrom(step, connection, { version: "", service });
    }
  }
}

function fillFrom(
  step: Step,
  connection: Connection,
  queue: { readonly version: string; readonly service: string },
): void {
  const prefix = readyPrefix(queue.version, queue.service);
  if (!step.memory.queues.has(prefix)) return;
  const rows = step.tx.range({ from: prefix, to: prefixEnd(prefix), limit: SCAN_MAX });
  let taken = 0;
  for (const [key] of rows) {
    if (!hasRoom(connection)) return;
    const invocation = load(step, readU48(key, prefix.length));
    assert(invocation?.status === "ready", "a row in a ready queue belongs to a ready invocation");
    if (!serves(connection, invocation)) continue;
    step.tx.remove(key);
    taken++;
    startAttempt(step, connection, invocation);
  }
  if (rows.length === taken && rows.length < SCAN_MAX) step.memory.queues.delete(prefix);
  else if (taken === SCAN_MAX) fillFrom(step, connection, queue);
}

function pickConnection(step: Step, invocation: Invocation): Connection | undefined {
  const version =
    invocation.deployment ?? step.memory.services.get(invocation.target.service)?.version;
  let best: Connection | undefined;
  for (const connection of step.memory.connections.values()) {
    if (connection.version !== version || !hasRoom(connection)) continue;
    if (!serves(connection, invocation)) continue;
    if (best === undefined || load01(connection) < load01(best)) best = connection;
  }
  return best;
}

function askForRoom(step: Step, invocation: Invocation): void {
  const version =
    invocation.deployment ?? step.memory.services.get(invocation.target.service)?.version;
  for (const connection of step.memory.connections.values()) {
    if (connection.version !== version || connection.draining) continue;
    if (connection.attempts.size < connection.concurrency || !serves(connection, invocation)) {
      continue;
    }
    const message = { kind: "make-room", attempts: 1 } as const;
    tellWorker(step, connection.id, message, { when: "now", demand: false });
    return;
  }
}

function hasRoom(connection: Connection): boolean {
  return (
    !connection.draining &&
    !connection.congested &&
    connection.attempts.size < connection.concurrency
  );
}

function load01(connection: Connection): number {
  return connection.attempts.size / connection.concurrency;
}

function serves(connection: Connection, invocation: Invocation): boolean {
  const { service, handler } = invocation.target;
  const manifest = connection.services.get(service);
  return manifest?.handlers.some((it) => it.name === handler) ?? false;
}

function queueOf(invocation: Invocation): string {
  return readyPrefix(invocation.deployment ?? "", invocation.target.service);
}

function readyKeyOf(invocation: Invocation): string {
  return readyKey(invocation.deployment ?? "", invocation.target.service, invocation.sequence);
}
