/**
 * Accepting an invocation, whoever asks: HTTP, a call or a send of another invocation.
 *
 * 1. Everything that can be refused is refused before anything is written.
 * 2. An idempotency key, or the key of a workflow's run, names one invocation until it is purged:
 *    asked for again, that one is found and nothing is created.
 */
import { assert } from "../../protocol/assert.ts";
import type { Header, Target } from "../../protocol/command.ts";
import { FailureCode } from "../../protocol/failure.ts";
import { withArticle, type HandlerManifest, type ServiceKind } from "../../protocol/manifest.ts";
import type { Payload } from "../../protocol/payload.ts";
import { countOpened } from "./counts.ts";
import { damagedRefusal, quarantineOf, readOr, tryRead } from "./damage.ts";
import { enqueue, nextSequence, readLock } from "./inbox.ts";
import { isWorkflowRun, noTimeSpent, type Invocation } from "./invocation.ts";
import { readInput } from "./history.ts";
import { idempotencyKey, inputKey, lockKey, utf8, workflowKey } from "./keys.ts";
import { purgeInOneGo } from "./purge.ts";
import { KNOWN_AGAIN } from "./registry.ts";
import { decodeLock, decodeNumber, encodeInput, encodeNumber } from "./rows.ts";
import { changed, load, type Step } from "./step.ts";
import { dueIn, setTimer } from "./timers.ts";
import { DamagedRowError } from "./tx.ts";

export interface Admission {
  readonly target: Target;
  readonly parameter: Payload;
  readonly headers: readonly Header[];
  readonly idempotencyKey: string | null;
  readonly delayMs: number;
  readonly entropy: string;
  readonly parent: Invocation["parent"];
  /** Comes from outside: private handlers and content types are checked. */
  readonly external: boolean;
}

export type Admitted =
  | { readonly kind: "created"; readonly invocation: Invocation }
  | { readonly kind: "found"; readonly invocation: Invocation; readonly byWorkflowKey: boolean }
  | { readonly kind: "refused"; readonly code: number; readonly message: string };

interface Addressed {
  readonly serviceKind: ServiceKind;
  readonly handler: HandlerManifest;
}

export function admit(step: Step, admission: Admission): Admitted {
  const addressed = address(step, admission);
  if ("message" in addressed) return { kind: "refused", ...addressed };
  const found = findExisting(step, admission, addressed);
  if (found) return found;
  const noRoom = roomFor(step, admission, addressed);
  if (noRoom !== undefined) return { kind: "refused", ...noRoom };
  return { kind: "created", invocation: create(step, admission, addressed) };
}

type Refusal = { readonly code: number; readonly message: string };

function address(step: Step, admission: Admission): Addressed | Refusal {
  const { service, handler: name, key } = admission.target;
  const entry = step.memory.services.get(service);
  if (entry === undefined) {
    const damaged = step.memory.damage.services.get(service);
    if (damaged !== undefined) {
      return { code: FailureCode.unavailable, message: `${damaged}; ${KNOWN_AGAIN}` };
    }
    const message = `service '${service}' not found, make sure to register the service before calling it.`;
    return { code: FailureCode.notFound, message };
  }
  const handler = entry.manifest.handlers.find((it) => it.name === name);
  if (handler === undefined) {
    const message = `the service '${service}' exists, but the handler '${name}' was not found, check that the handler exists in the latest registered service version.`;
    return { code: FailureCode.notFound, message };
  }
  const serviceKind = entry.manifest.kind;
  if (serviceKind === "service" ? key !== null : key === null) {
    const expected =
      serviceKind === "service" ? `/${service}/${name}` : `/${service}/{key}/${name}`;
    const message = `bad path, '${service}' is ${withArticle(serviceKind)}: call it at ${expected}`;
    return { code: FailureCode.badRequest, message };
  }
  return checkRequest(step, admission, { serviceKind, handler }) ?? { serviceKind, handler };
}

function checkRequest(
  step: Step,
  admission: Admission,
  { serviceKind, handler }: Addressed,
): Refusal | undefined {
  const { limits } = step.memory;
  const bad = (message: string): Refusal => ({ code: FailureCode.badRequest, message });
  const runsWorkflow = serviceKind === "workflow" && handler.mode === "exclusive";
  if (runsWorkflow && admission.idempotencyKey !== null) {
    return bad(
      "cannot use the idempotency key with workflow handlers. The handler invocation will already be idempotent by the workflow key itself.",
    );
  }
  const key = admission.target.key ?? "";
  if (utf8(key).length > limits.keyBytesMax) {
    return bad(
      `the key has ${utf8(key).length} bytes, the limit keyBytesMax is ${limits.keyBytesMax}; use a shorter one`,
    );
  }
  const idempotencyBytes = utf8(admission.idempotencyKey ?? "").length;
  if (idempotencyBytes > limits.idempotencyKeyBytesMax) {
    return bad(
      `the idempotency key has ${idempotencyBytes} bytes, the limit idempotencyKeyBytesMax is ${limits.idempotencyKeyBytesMax}; use a shorter one`,
    );
  }
  if (admission.parameter.length > limits.payloadBytesMax) {
    const message = `the payload has ${admission.parameter.length} bytes, the limit payloadBytesMax is ${limits.payloadBytesMax}; send less, or raise the limit`;
    return { code: FailureCode.payloadTooLarge, message };
  }
  // From outside they were measured as they came in.
  const headerBytes = admission.external ? 0 : bytesOfHeaders(admission.headers);
  if (headerBytes > limits.headerBytesMax) {
    return bad(
      `the headers have ${headerBytes} bytes, the limit headerBytesMax is ${limits.headerBytesMax}; send fewer`,
    );
  }
  return admission.external ? checkExternal(admission, handler) : undefined;
}

function bytesOfHeaders(headers: readonly Header[]): number {
  return headers.reduce((sum, [name, value]) => sum + utf8(name).length + utf8(value).length, 0);
}

function checkExternal(admission: Admission, handler: HandlerManifest): Refusal | undefined {
  const bad = (message: string): Refusal => ({ code: FailureCode.badRequest, message });
  if (handler.ingressPrivate) return bad("the invoked service is not public");
  const sent = admission.headers.find(([name]) => name === "content-type")?.[1];
  const sentType = sent === undefined ? "" : mediaTypeOf(sent);
  if (sentType === "" && admission.parameter.length === 0) {
    return handler.inputRequired
      ? bad(
          `input validation error: '${handler.name}' needs a body; send one with its content-type`,
        )
      : undefined;
  }
  if (matchesType(handler.inputContentType, sentType)) return undefined;
  return bad(
    `input validation error: Content-type '${sentType}' does not match '${handler.inputContentType}'`,
  );
}

/** Without its parameters. */
function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

function matchesType(pattern: string, type: string): boolean {
  if (pattern === "" || pattern === "*/*" || pattern === type) return true;
  return pattern.endsWith("/*") && type.startsWith(pattern.slice(0, -1));
}

function findExisting(
  step: Step,
  admission: Admission,
  { serviceKind, handler }: Addressed,
): Admitted | undefined {
  const { target } = admission;
  const byWorkflowKey = serviceKind === "workflow" && handler.mode === "exclusive";
  const row = byWorkflowKey
    ? step.tx.get(workflowKey(target.service, target.key ?? ""))
    : admission.idempotencyKey === null
      ? undefined
      : step.tx.get(idempotencyKey(target, admission.idempotencyKey));
  if (row === undefined) return undefined;
  const named = tryRead(() => decodeNumber(row));
  if (named instanceof DamagedRowError) return { kind: "refused", ...damagedRefusal(named) };
  const invocation = load(step, named);
  if (invocation === undefined) {
    const quarantine = quarantineOf(step, named);
    assert(quarantine !== undefined, "a row that names an invocation goes when that goes");
    return { kind: "refused", ...quarantine };
  }
  if (invocation.purging) {
    // Its state goes before its name does: another run must not find half of it.
    return !byWorkflowKey || purgeInOneGo(step, invocation) ? undefined : STILL_PURGING;
  }
  const { idempotencyPayloadCheck: checked } = step.memory;
  const other = checked && !byWorkflowKey && otherParameter(step, invocation, admission.parameter);
  if (other) return { kind: "refused", ...other };
  return { kind: "found", invocation, byWorkflowKey };
}

const STILL_PURGING: Admitted = {
  kind: "refused",
  code: FailureCode.unavailable,
  message:
    "the state of the former run of this workflow key is still being removed; try again in a moment",
};

/**
 * Only for what is new: what was accepted before is found, however full it is. On a disk that is
 * nearly full running work goes on, and what it calls and sends.
 */
function roomFor(
  step: Step,
  { target, delayMs, external }: Admission,
  addressed: Addressed,
): Refusal | undefined {
  const { limits, counts, diskLow } = step.memory;
  if (external && diskLow) {
    const message = `the disk is nearly full: less than diskFreeBytesMin (${limits.diskFreeBytesMin} bytes) is free, and nothing new is accepted; make room, or try again later`;
    return { code: FailureCode.unavailable, message };
  }
  if (counts.open >= limits.pendingMax) {
    const message = `${counts.open} invocations are pending, the limit pendingMax is ${limits.pendingMax}; try again later, or raise the limit`;
    return { code: FailureCode.tooMany, message };
  }
  const queues = addressed.serviceKind === "object" && addressed.handler.mode === "exclusive";
  const lock =
    queues && delayMs <= 0 ? readLock(step, lockKey(target.service, target.key ?? "")) : undefined;
  // How many wait for a damaged lock is not known; it is counted when it is released.
  const waiting = lock === undefined ? 0 : readOr(() => decodeLock(lock).waiting, 0);
  if (lock === undefined || waiting < limits.inboxLengthMax) return undefined;
  const message = `${waiting} invocations wait for the key of ${target.service}/${target.key ?? ""}, the limit inboxLengthMax is ${limits.inboxLengthMax}; try again later, or raise the limit`;
  return { code: FailureCode.tooMany, message };
}

/** Why this is not the payload that came first. */
function otherParameter(
  step: Step,
  invocation: Invocation,
  parameter: Payload,
): Refusal | undefined {
  const input = tryRead(() => readInput(step.tx, invocation));
  assert(input !== undefined, "the input stays as long as the invocation");
  if (input instanceof DamagedRowError) return damagedRefusal(input);
  const before = input.parameter;
  if (before.length === parameter.length && before.every((byte, at) => byte === parameter[at])) {
    return undefined;
  }
  const message =
    "this idempotency key was used with another payload; send the same payload, or use another key";
  return { code: FailureCode.unprocessable, message };
}

function create(step: Step, admission: Admission, addressed: Addressed): Invocation {
  const { target, entropy } = admission;
  assert(entropy.length === 24, `24 random bytes are needed, ${entropy.length} came`);
  const scheduledForMs = admission.delayMs > 0 ? dueIn(step, admission.delayMs) : null;
  const invocation: Invocation = {
    sequence: nextSequence(step),
    epoch: step.memory.epoch,
    tag: entropy.slice(0, 8),
    seed: entropy.slice(8),
    target,
    mode: addressed.handler.mode,
    serviceKind: addressed.serviceKind,
    createdAtMs: step.nowMs,
    idempotencyKey: admission.idempotencyKey,
    parent: admission.parent,
    scheduledForMs,
    // Where every invocation begins, delayed or not: `enqueue` takes it from here.
    status: "scheduled",
    statusSinceMs: step.nowMs,
    deployment: null,
    attempts: 0,
    failures: 0,
    lastFailure: null,
    nextAttemptAtMs: null,
    commands: 0,
    deliveries: 0,
    completionIdMax: 0,
    pending: 0,
    runs: 0,
    holdRequested: false,
    cancelledAt: 0,
    inboxOrder: 0,
    idleResumes: 0,
    startedAtMs: null,
    completedAtMs: null,
    expiresAtMs: null,
    waitsOnlyForOthers: false,
    failingSinceMs: null,
    losses: 0,
    journalBytes: 0,
    spentMs: noTimeSpent(),
    pauseReason: null,
    parked: false,
    purging: false,
    journalExpiresAtMs: null,
    signalsKept: 0,
    waitedFor: false,
    plainRuns: [],
    lag: 0,
    told: 0,
    inRecord: undefined,
    id: undefined,
    changed: false,
    row: undefined,
    packed: undefined,
  };
  const { sequence } = invocation;
  step.loaded.set(sequence, invocation);
  changed(step, invocation);
  countOpened(step);
  const { parameter, headers } = admission;
  const input = { parameter, headers };
  step.tx.insert(inputKey(sequence), encodeInput(input));
  // What a handler sends may be a view of a frame: that is not held on to.
  if (admission.external) step.admitted = { sequence, input };
  nameIt(step, invocation);
  if (scheduledForMs === null) enqueue(step, invocation);
  else setTimer(step, { dueAtMs: scheduledForMs, sequence, kind: "start", id: 0 });
  return invocation;
}

function nameIt(step: Step, invocation: Invocation): void {
  const { target, sequence } = invocation;
  if (isWorkflowRun(invocation)) {
    step.tx.put(workflowKey(target.service, target.key ?? ""), encodeNumber(sequence));
  } else if (invocation.idempotencyKey !== null) {
    step.tx.put(idempotencyKey(target, invocation.idempotencyKey), encodeNumber(sequence));
  }
}
