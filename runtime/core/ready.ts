/**
 * Ready invocations and the workers that may take them.
 *
 * 1. An invocation that has started runs on its deployment only; one that has not, on the
 *    deployment that takes its service's new invocations.
 * 2. A ready invocation starts at once if a worker has room. Else it gets a row in the queue of
 *    (deployment, service, handler), in the order of acceptance, and memory holds nothing of it.
 * 3. Whenever room appears, `fillConnection` takes from the queues that this connection may serve,
 *    one from each in turn: a flood in one of them does not starve the others, and rows that a
 *    connection does not serve are in queues that it does not look at.
 * 4. What is ready and belongs to a paused key is parked: it stands in a range of its key's own, so
 *    that nobody comes upon it. One that stood in a queue when its key was paused is moved when a
 *    fill meets it. The queues of a paused service stay as they are, and are passed over.
 */
import { assert } from "../../protocol/assert.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";
import { isQuarantined } from "./damage.ts";
import type { Handover } from "./followers.ts";
import { setStatus, type Invocation } from "./invocation.ts";
import { parkedKey, readyPrefix, u48 } from "./keys.ts";
import { heldBy, isKeyPaused } from "./pauses.ts";
import { askForRoom, isFull } from "./room.ts";
import { startAttempt } from "./start.ts";
import { changed, free, load, type Connection, type ReadyQueue, type Step } from "./step.ts";
import { renewTries } from "./tries.ts";

const EMPTY = new Uint8Array(0);
/** How many rows of paused keys a connection moves out of its way in one step. */
const PARKED_PER_FILL_MAX = 256;

/**
 * Status becomes ready, and then, if some worker has room, running; or paused, if that was asked for.
 * `handover`: from whom it has its key, when that one has just ended.
 */
export function makeReady(step: Step, invocation: Invocation, handover?: Handover): void {
  invocation.nextAttemptAtMs = null;
  if (invocation.status === "paused") renewTries(step, invocation);
  invocation.pauseReason = null;
  changed(step, invocation);
  if (invocation.holdRequested) {
    invocation.holdRequested = false;
    invocation.pauseReason = "asked";
    setStatus(invocation, "paused", step.nowMs);
    return;
  }
  setStatus(invocation, "ready", step.nowMs);
  line(step, invocation, handover);
}

/** Lets a ready invocation that stands nowhere yet start, or wait where it belongs. */
function line(step: Step, invocation: Invocation, handover?: Handover): void {
  if (isKeyPaused(step.memory.pauses, invocation.target)) {
    park(step, invocation);
    return;
  }
  const { queues } = step.memory;
  const connection = pickConnection(step, invocation, handover);
  // Mostly nobody stands anywhere: then no name of a queue is put together.
  if (connection && (queues.allEmpty || !queues.mayHold(queueOf(invocation)))) {
    startAttempt(step, connection, invocation, handover);
    return;
  }
  const queue = queueOf(invocation);
  step.tx.insert(readyKeyOf(invocation), EMPTY);
  queues.added(queue, invocation.sequence);
  // Others may stand in the queue before it: who has room takes them in their order.
  if (connection) free(step, connection);
  else askForRoomFor(step, invocation);
}

/** Takes a ready invocation that has no attempt out of its queue. */
export function removeFromReady(step: Step, invocation: Invocation): void {
  assert(invocation.status === "ready", `a ${invocation.status} invocation is in no ready queue`);
  if (!invocation.parked) {
    step.tx.remove(readyKeyOf(invocation));
    step.memory.queues.removed(queueOf(invocation), invocation.sequence);
    return;
  }
  step.tx.remove(parkedKeyOf(invocation));
  invocation.parked = false;
  changed(step, invocation);
}

/** Its key is no longer paused. */
export function unpark(step: Step, invocation: Invocation): void {
  assert(invocation.parked, "only what is parked is let go");
  moveReady(step, invocation, () => undefined);
}

/** Changes where a ready invocation has to wait. */
export function moveReady(step: Step, invocation: Invocation, change: () => void): void {
  removeFromReady(step, invocation);
  change();
  line(step, invocation);
}

function park(step: Step, invocation: Invocation): void {
  step.tx.insert(parkedKeyOf(invocation), EMPTY);
  invocation.parked = true;
  changed(step, invocation);
}

/** For each handler of a connection: those that have started there, and those that have not started. */
export function queuesOf(version: string, services: readonly ServiceManifest[]): ReadyQueue[] {
  return services.flatMap(({ name: service, handlers }) =>
    handlers.flatMap(({ name: handler }) => [
      { prefix: readyPrefix(version, service, handler), service, pinned: true },
      { prefix: readyPrefix("", service, handler), service, pinned: false },
    ]),
  );
}

/** Starts what waits, as long as this connection has room. */
export function fillConnection(step: Step, connection: Connection): void {
  const { queues } = connection;
  let parked = 0;
  let without = 0;
  while (without < queues.length && !step.memory.queues.allEmpty && hasRoom(connection)) {
    const queue = queues[connection.turn];
    assert(queue !== undefined, `connection ${connection.id} has ${queues.length} queues`);
    const took = mayServe(step, connection, queue) ? takeOne(step, connection, queue) : "nothing";
    if (took === "parked" && ++parked < PARKED_PER_FILL_MAX) continue;
    if (took === "parked") {
      step.memory.refill.add(connection);
      return;
    }
    connection.turn = (connection.turn + 1) % queues.length;
    without = took === "started" ? 0 : without + 1;
  }
  if (leavesSomebody(step, connection)) askForRoom(step, connection);
}

/** Whether it is full, somebody stands in its queues, and no wish for room does. */
function leavesSomebody(step: Step, connection: Connection): boolean {
  if (connection.roomAsked > 0 || connection.draining || !isFull(connection)) return false;
  if (step.memory.queues.allEmpty) return false;
  return connection.queues.some(
    (queue) => mayServe(step, connection, queue) && holdsRows(step, queue),
  );
}

function holdsRows({ tx, memory }: Step, { prefix }: ReadyQueue): boolean {
  return memory.queues.first(tx, prefix) !== undefined;
}

function mayServe({ memory }: Step, connection: Connection, queue: ReadyQueue): boolean {
  if (!memory.queues.mayHold(queue.prefix) || memory.pauses.services.has(queue.service))
    return false;
  return queue.pinned || memory.services.get(queue.service)?.version === connection.version;
}

function takeOne(
  step: Step,
  connection: Connection,
  { prefix }: ReadyQueue,
): "started" | "parked" | "nothing" {
  const invocation = takeFirst(step, prefix);
  if (invocation === undefined) return "nothing";
  if (isKeyPaused(step.memory.pauses, invocation.target)) {
    park(step, invocation);
    return "parked";
  }
  startAttempt(step, connection, invocation);
  return "started";
}

function takeFirst(step: Step, prefix: string): Invocation | undefined {
  for (;;) {
    const sequence = step.memory.queues.first(step.tx, prefix);
    if (sequence === undefined) return undefined;
    const invocation = load(step, sequence);
    step.tx.remove(prefix + u48(sequence));
    step.memory.queues.removed(prefix, sequence);
    if (invocation === undefined && isQuarantined(step, sequence)) continue;
    assert(invocation?.status === "ready", "a row in a ready queue belongs to a ready invocation");
    return invocation;
  }
}

function pickConnection(
  step: Step,
  invocation: Invocation,
  handover: Handover | undefined,
): Connection | undefined {
  if (heldBy(step.memory, invocation.target) !== null) return undefined;
  const version = versionFor(step, invocation);
  let best: Connection | undefined;
  for (const connection of step.memory.connections.values()) {
    if (connection.version !== version || !hasRoom(connection)) continue;
    if (!serves(connection, invocation)) continue;
    if (handover?.connection === connection && handover.followers.length > 0) return connection;
    if (best === undefined || load01(connection) < load01(best)) best = connection;
  }
  return best;
}

/** Whether a worker is connected that could run it, now or when it has room. */
export function hasWorker(step: Step, invocation: Invocation): boolean {
  const version = versionFor(step, invocation);
  return [...step.memory.connections.values()].some(
    (it) => it.version === version && !it.draining && serves(it, invocation),
  );
}

function versionFor(step: Step, { deployment, target }: Invocation): string | undefined {
  return deployment ?? step.memory.services.get(target.service)?.version;
}

function askForRoomFor(step: Step, invocation: Invocation): void {
  if (heldBy(step.memory, invocation.target) !== null) return;
  const version = versionFor(step, invocation);
  let best: Connection | undefined;
  for (const connection of step.memory.connections.values()) {
    if (connection.version !== version || connection.draining) continue;
    if (!isFull(connection) || !serves(connection, invocation)) continue;
    // Whoever is asked already may be at work for long: who comes next asks another one.
    if (best === undefined || asked01(connection) < asked01(best)) best = connection;
  }
  if (best) askForRoom(step, best);
}

function asked01({ roomAsked, concurrency }: Connection): number {
  return roomAsked / concurrency;
}

function hasRoom(connection: Connection): boolean {
  return !connection.draining && !connection.congested && !isFull(connection);
}

function load01(connection: Connection): number {
  return connection.attempts.size / connection.concurrency;
}

function serves(connection: Connection, invocation: Invocation): boolean {
  const { service, handler } = invocation.target;
  const manifest = connection.services.get(service);
  return manifest?.handlers.some((it) => it.name === handler) ?? false;
}

function queueOf({ deployment, target }: Invocation): string {
  return readyPrefix(deployment ?? "", target.service, target.handler);
}

function readyKeyOf(invocation: Invocation): string {
  return queueOf(invocation) + u48(invocation.sequence);
}

function parkedKeyOf({ target, sequence }: Invocation): string {
  return parkedKey(target.service, target.key ?? "", sequence);
}
