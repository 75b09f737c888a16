/**
 * The state machine of one partition.
 *
 * Owns what may happen to invocations, keys, state, promises, timers and deployments. The loop owns
 * when: it calls `apply`, commits what was written, and performs the effects.
 *
 * 1. `apply` is a function of rows, memory, input and `nowMs`. No clock, no randomness, no I/O.
 * 2. Memory holds what is live (connections, attempts, waiting requests) and a few facts about rows
 *    (services, earliest timer); after a crash `recover` makes it anew.
 * 3. Recovery costs what ran, not what waits.
 */
import { unreachable } from "../../protocol/assert.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import type { Machine } from "../machine.ts";
import { noCounts } from "./counts.ts";
import { onControl, onHoldKey, onHoldService } from "./control-requests.ts";
import { noDamage } from "./damage.ts";
import { onTimersDue } from "./due.ts";
import type { Effect } from "./effect.ts";
import type { Input } from "./input.ts";
import { KeyCache } from "./key-cache.ts";
import { TIMERS } from "./keys.ts";
import type { Limits } from "./limits.ts";
import { noPauses } from "./pauses.ts";
import { nextPurgeAtMs } from "./purge.ts";
import { ReadyQueues } from "./ready-queues.ts";
import { recover } from "./recover.ts";
import { onRemoveDeployment } from "./remove-deployment.ts";
import { forgetRequest, onAttach, onCompleteAwakeable, onInvoke, onOutput } from "./requests.ts";
import { flush, type Memory, type Step } from "./step.ts";
import { nextDueAtMs } from "./timers.ts";
import type { Tx } from "./tx.ts";
import { fillFreed, onCongestion, onDrain, onHello, onLost, onMessage } from "./workers.ts";

export interface MachineOptions {
  readonly epoch: number;
  readonly limits: Limits;
  /** Default true; false: the first result is given, whatever the payload. */
  readonly idempotencyPayloadCheck?: boolean;
}

export function createMachine(
  options: MachineOptions,
): Machine & { readonly quarantined: () => number } {
  const memory = emptyMemory(options);
  const steps = new Steps(memory);
  return {
    recover: (tx, nowMs) => steps.run(tx, nowMs, recover),
    apply: (tx, input, nowMs) => steps.run(tx, nowMs, (step) => applyInput(step, input)),
    nextDueAtMs: (tx) => earlier(nextDueAtMs(tx, memory), nextPurgeAtMs(tx, memory)),
    quarantined: () => memory.damage.records.size,
  };
}

/** One object for all steps, since what it collects is empty between them: four steps make an `add`. */
class Steps {
  readonly #memory: Memory;
  #idle: OwnStep | undefined;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  run(tx: Tx, nowMs: number, act: (step: Step) => void): Effect[] {
    const step = this.#idle ?? emptyStep(this.#memory, tx);
    // One that was broken off in its middle is not used again.
    this.#idle = undefined;
    const effects: Effect[] = [];
    step.tx = tx;
    step.nowMs = nowMs;
    step.effects = effects;
    act(step);
    fillFreed(step);
    flush(step);
    step.loaded.clear();
    step.admitted = undefined;
    step.stateRead = undefined;
    step.timersCleared = 0;
    this.#idle = step;
    return effects;
  }
}

type OwnStep = { -readonly [Name in keyof Step]: Step[Name] };

function emptyStep(memory: Memory, tx: Tx): OwnStep {
  return {
    tx,
    nowMs: 0,
    memory,
    effects: [],
    loaded: new NumberMap(),
    changed: [],
    freed: [],
    admitted: undefined,
    stateRead: undefined,
    timersCleared: 0,
  };
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function emptyMemory({ epoch, limits, idempotencyPayloadCheck = true }: MachineOptions): Memory {
  return {
    limits,
    idempotencyPayloadCheck,
    epoch,
    connections: new Map(),
    attempts: new NumberMap(),
    services: new Map(),
    manifests: new Map(),
    counts: noCounts(),
    waiting: new NumberMap(),
    waitsFor: new NumberMap(),
    queues: new ReadyQueues(),
    pauses: noPauses(),
    damage: noDamage(),
    keys: new KeyCache(),
    refill: new Set(),
    nextDueAtMs: "unknown",
    timersFrom: TIMERS,
    nextExpiryAtMs: "unknown",
    purgeNotBeforeMs: 0,
    diskLow: false,
    nextSequence: 1,
    sequenceBound: 1,
  };
}

function applyInput(step: Step, input: Input): void {
  switch (input.kind) {
    case "invoke":
      return onInvoke(step, input);
    case "attach":
      return onAttach(step, input.request, input.ref);
    case "output":
      return onOutput(step, input.request, input.ref);
    case "complete-awakeable":
      return onCompleteAwakeable(step, input.request, input.awakeableId, input.result);
    case "cancel":
    case "kill":
    case "pause":
    case "resume":
    case "purge":
      return onControl(step, input);
    case "pause-key":
    case "resume-key":
      return onHoldKey(step, input);
    case "pause-service":
    case "resume-service":
      return onHoldService(step, input);
    case "remove-deployment":
      return onRemoveDeployment(step, input.request, input.version);
    case "forget-request":
      return forgetRequest(step, input.request);
    case "worker-hello":
      return onHello(step, input.connection, input.hello);
    case "worker-message":
      return onMessage(step, input);
    case "worker-drain":
      return onDrain(step, input.connection, input.ordinal);
    case "worker-congestion":
      return onCongestion(step, input.connection, input.congested);
    case "worker-lost":
      return onLost(step, input.connection);
    case "disk-space":
      step.memory.diskLow = input.low;
      return;
    case "timers-due":
      return onTimersDue(step);
    default:
      return unreachable(input);
  }
}
