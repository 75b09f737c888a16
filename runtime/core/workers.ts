/**
 * Workers and what they say.
 *
 * 1. A worker's message counts only if its handle names a live attempt of that very connection:
 *    whatever a zombie says is ignored, and acknowledged like everything else.
 * 2. A message that breaks the protocol closes its connection; everything else goes on. A command
 *    that holds more than there may be ends its attempt alone.
 * 3. A lost connection ends its attempts: see lost.ts.
 */
import { CloseCode } from "../../protocol/channel.ts";
import type { Failure } from "../../protocol/failure.ts";
import type { AttemptMessage, Hello } from "../../protocol/message.ts";
import { PROTOCOL_VERSION } from "../../protocol/message.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import { applyCommand, violation } from "./commands/apply-command.ts";
import { excessOf, resultExcess } from "./commands/command-limits.ts";
import { damagedBy } from "./commands/damaged.ts";
import { breakDeadlock } from "./deadlock.ts";
import { resume } from "./deliver.ts";
import { onFail } from "./fail.ts";
import { finish } from "./finish.ts";
import { fold } from "./fold.ts";
import type { ConnectionId, Input } from "./input.ts";
import { setStatus } from "./invocation.ts";
import { loseAttempt } from "./lost.ts";
import { fillConnection, queuesOf } from "./ready.ts";
import { refusal, register } from "./registry.ts";
import { countOffRoom } from "./room.ts";
import { onRunFailed, onRunNotDone, onRunResult } from "./runs.ts";
import { dropAttempt } from "./start.ts";
import {
  changed,
  free,
  tell,
  tellWorker,
  type Attempt,
  type Connection,
  type Step,
} from "./step.ts";

export function onHello(step: Step, id: ConnectionId, hello: Hello): void {
  const reason =
    hello.protocol === PROTOCOL_VERSION
      ? refusal(step, hello.version, hello.manifest)
      : `this runtime speaks protocol ${PROTOCOL_VERSION}, the worker speaks ${hello.protocol}; install matching versions of holdfast`;
  if (reason !== undefined) {
    refuseConnection(step, id, reason);
    return;
  }
  register(step, hello.version, hello.manifest);
  const connection: Connection = {
    id,
    version: hello.version,
    concurrency: hello.concurrency,
    followersMax: hello.followersMax,
    services: new Map(hello.manifest.services.map((service) => [service.name, service])),
    attempts: new NumberMap(),
    queues: queuesOf(hello.version, hello.manifest.services),
    turn: 0,
    nextHandle: 1,
    draining: false,
    // Nothing starts before the welcome has left; the hub then says that there is room.
    congested: true,
    roomAsked: 0,
  };
  step.memory.connections.set(id, connection);
  // Whether they do hold rows is found out when it first has room.
  for (const { prefix } of connection.queues) step.memory.queues.suspect(prefix);
  const { limits, epoch } = step.memory;
  tellWorker(
    step,
    id,
    {
      kind: "welcome",
      protocol: PROTOCOL_VERSION,
      epoch,
      connection: id,
      inactivityTimeoutMs: limits.inactivityTimeoutMs,
      frameBytesMax: limits.frameBytesMax,
      payloadBytesMax: limits.payloadBytesMax,
    },
    // The worker may say "registered" to its user: that must not be taken back by a crash.
    { when: "durable", demand: true },
  );
}

export function onDrain(step: Step, id: ConnectionId, ordinal: number): void {
  const connection = step.memory.connections.get(id);
  if (connection === undefined) return;
  connection.draining = true;
  acknowledge(step, id, ordinal);
}

export function onCongestion(step: Step, id: ConnectionId, congested: boolean): void {
  const connection = step.memory.connections.get(id);
  if (connection === undefined) return;
  connection.congested = congested;
  if (!congested) free(step, connection);
}

export function onLost(step: Step, id: ConnectionId): void {
  const connection = step.memory.connections.get(id);
  if (connection === undefined) return;
  step.memory.connections.delete(id);
  for (const attempt of connection.attempts.values()) loseAttempt(step, attempt);
  step.memory.refill.delete(connection);
}

export function onMessage(
  step: Step,
  { connection: id, ordinal, message, diskWaitMs = 0 }: Input & { kind: "worker-message" },
): void {
  const connection = step.memory.connections.get(id);
  if (connection === undefined) return;
  acknowledge(step, id, ordinal);
  const attempt = connection.attempts.get(message.attempt);
  if (attempt === undefined) {
    if (isLeaving(message)) countOffRoom(step, connection);
    return;
  }
  if (diskWaitMs > 0) {
    // Not worth a record by itself.
    attempt.invocation.spentMs.disk += diskWaitMs;
  }
  onAttemptMessage(step, attempt, message);
}

/** The last that an attempt says. */
function isLeaving({ kind }: AttemptMessage): boolean {
  return kind === "end" || kind === "fail" || kind === "suspend";
}

/** After each input: attempts that ended made room for what waits. */
export function fillFreed(step: Step): void {
  const { freed } = step;
  // More may be added while one is filled.
  for (const connection of freed) {
    if (step.memory.connections.get(connection.id) === connection) fillConnection(step, connection);
  }
  freed.length = 0;
}

function onAttemptMessage(step: Step, attempt: Attempt, message: AttemptMessage): void {
  const { invocation } = attempt;
  const excess = resultExcess(step.memory.limits, message);
  if (excess !== undefined) {
    refuseAttempt(step, attempt, null, excess);
    return;
  }
  switch (message.kind) {
    case "command": {
      const { command } = message;
      const wrong = violation(invocation, command);
      if (wrong !== undefined) {
        breakOff(step, attempt.connection, wrong);
        return;
      }
      const refused =
        damagedBy(step, attempt, command) ??
        excessOf(step, attempt, command) ??
        applyCommand(step, attempt, command);
      if (refused !== undefined) refuseAttempt(step, attempt, command.index, refused);
      return;
    }
    case "run-result": {
      const taken = onRunResult(step, attempt, message);
      if (taken === "void") startOver(step, attempt, message.deliveries ?? 0);
      else if (taken !== "taken") breakOff(step, attempt.connection, taken.wrong);
      return;
    }
    case "run-failed":
      onRunFailed(step, attempt, message);
      return;
    case "run-not-done": {
      const wrong = onRunNotDone(step, attempt, message);
      if (wrong !== undefined) breakOff(step, attempt.connection, wrong);
      return;
    }
    case "idle":
      onIdle(step, attempt, message.deliveries);
      return;
    case "fail":
      onFail(step, attempt, message);
      return;
    case "end":
      finish(step, invocation, { result: message.result, abort: null });
      return;
    case "suspend":
      onSuspend(step, attempt, message.deliveries);
      return;
  }
}

/** Ends the attempt, and no other of its worker: the code asked for more than there may be, or is. */
function refuseAttempt(
  step: Step,
  attempt: Attempt,
  command: number | null,
  failure: Failure,
): void {
  const reason = failure.message;
  tell(step, attempt, { kind: "abort", attempt: attempt.handle, reason }, "durable");
  onFail(step, attempt, { failure, stack: "", command, retryAfterMs: null });
}

/** It waits only for others. If something came that it had not seen, it says so again after that. */
function onIdle(step: Step, attempt: Attempt, deliveries: number): void {
  if (attempt.invocation.deliveries > deliveries) return;
  attempt.idle = true;
  breakDeadlock(step, attempt.invocation);
}

/**
 * It only waits. If something came that the attempt had not seen, it goes on at once; a worker that
 * says so again and again, and gets no further, is given time.
 */
function onSuspend(step: Step, attempt: Attempt, deliveries: number): void {
  const { invocation } = attempt;
  const runsNow = attempt.runs.values().some(({ go }) => go !== undefined);
  invocation.waitsOnlyForOthers = attempt.idle;
  if (!attempt.progressed) invocation.idleResumes++;
  dropAttempt(step, attempt);
  changed(step, invocation);
  setStatus(invocation, "suspended", step.nowMs);
  if (invocation.deliveries > deliveries || runsNow) resume(step, invocation);
  else fold(step, invocation, attempt.kept);
}

/**
 * Its code has gone ahead of the journal: what it did since is not taken, and another attempt goes on
 * from what is recorded, as after a suspension that had not seen everything.
 */
function startOver(step: Step, attempt: Attempt, deliveries: number): void {
  const reason = "something else was delivered before the result that its code went ahead with";
  tell(step, attempt, { kind: "abort", attempt: attempt.handle, reason }, "durable");
  onSuspend(step, attempt, deliveries);
}

/** A worker that breaks the protocol: its attempts end here, before its close is even sent. */
function breakOff(step: Step, connection: Connection, reason: string): void {
  onLost(step, connection.id);
  closeConnection(step, connection.id, CloseCode.protocolError, reason);
}

function refuseConnection(step: Step, id: ConnectionId, reason: string): void {
  const message = { kind: "refused", code: CloseCode.refused, reason } as const;
  tellWorker(step, id, message, { when: "durable", demand: true });
  closeConnection(step, id, CloseCode.refused, reason);
  const facts = { connection: id };
  const warning = `registration refused: ${reason}`;
  step.effects.push({ kind: "warn", when: "durable", demand: false, message: warning, facts });
}

function closeConnection(step: Step, id: ConnectionId, code: number, reason: string): void {
  step.effects.push({
    kind: "close-connection",
    when: "durable",
    demand: true,
    connection: id,
    code,
    reason,
  });
}

function acknowledge(step: Step, id: ConnectionId, upTo: number): void {
  if (upTo === 0) return;
  tellWorker(step, id, { kind: "ack", upTo }, { when: "durable", demand: false });
}
