/** Requests from outside: call, send, attach, output, awakeables. Control is in control-requests.ts. */
import { FailureCode } from "../../protocol/failure.ts";
import { parseAwakeableId, parseInvocationId } from "../../protocol/ids.ts";
import type { AwakeableId } from "../../protocol/ids.ts";
import type { Result } from "../../protocol/payload.ts";
import { admit, type Admission } from "./admit.ts";
import { completeAwakeableById } from "./commands/others.ts";
import { damagedRefusal, quarantineOf, tryRead } from "./damage.ts";
import { readOutcome } from "./history.ts";
import type { Invoke, InvocationRef, RequestId } from "./input.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { idempotencyKey, workflowKey } from "./keys.ts";
import { decodeNumber } from "./rows.ts";
import { find, load, refuse, respond, type Step } from "./step.ts";
import { DamagedRowError } from "./tx.ts";

export function onInvoke(step: Step, invoke: Invoke): void {
  const { request, mode } = invoke;
  const admitted = admit(step, admissionOf(invoke));
  if (admitted.kind === "refused") {
    refuse(step, request, admitted);
    return;
  }
  const { invocation } = admitted;
  if (mode === "send") {
    respond(step, request, {
      kind: "accepted",
      invocationId: invocationIdOf(invocation),
      status: admitted.kind === "created" ? "Accepted" : "PreviouslyAccepted",
      executionTimeMs: invocation.scheduledForMs,
    });
  } else if (admitted.kind === "found" && admitted.byWorkflowKey) {
    refuseFor(step, request, invocation, {
      code: FailureCode.conflict,
      message: "the workflow method was already invoked",
    });
  } else {
    awaitOutcome(step, request, invocation);
  }
}

function admissionOf(invoke: Invoke): Admission {
  const { target, parameter, headers, idempotencyKey, delayMs, entropy } = invoke;
  const parent = null;
  return { target, parameter, headers, idempotencyKey, delayMs, entropy, parent, external: true };
}

export function onAttach(step: Step, request: RequestId, ref: InvocationRef): void {
  const found = resolve(step, ref);
  if ("sequence" in found) awaitOutcome(step, request, found);
  else refuse(step, request, found);
}

export function onOutput(step: Step, request: RequestId, ref: InvocationRef): void {
  const found = resolve(step, ref);
  if (!("sequence" in found)) refuse(step, request, found);
  else if (found.status === "completed") answerOutcome(step, request, found);
  else {
    const message = "the invocation exists but has not completed yet";
    refuseFor(step, request, found, { code: FailureCode.notReady, message }, "ingress");
  }
}

export function onCompleteAwakeable(
  step: Step,
  request: RequestId,
  id: AwakeableId,
  result: Result,
): void {
  if (completeAwakeableById(step, id, result) === "taken") {
    respond(step, request, { kind: "done" });
    return;
  }
  const parts = parseAwakeableId(id);
  const quarantine = parts && quarantineOf(step, parts.invocation.sequence);
  const unknown = { code: FailureCode.notFound, message: "awakeable not found" };
  refuse(step, request, quarantine ?? unknown);
}

/** The client went away. */
export function forgetRequest(step: Step, request: RequestId): void {
  const found = step.memory.waitsFor.delete(request);
  if (found === undefined) return;
  const { sequence, requests } = found;
  requests.splice(requests.indexOf(request), 1);
  if (requests.length === 0) step.memory.waiting.delete(sequence);
}

const NOT_FOUND = { code: FailureCode.notFound, message: "invocation not found" } as const;

function awaitOutcome(step: Step, request: RequestId, invocation: Invocation): void {
  if (invocation.status === "completed") {
    answerOutcome(step, request, invocation);
    return;
  }
  const { waiting, waitsFor } = step.memory;
  const { sequence } = invocation;
  let found = waiting.get(sequence);
  if (found === undefined) {
    found = { sequence, requests: [] };
    waiting.set(sequence, found);
  }
  found.requests.push(request);
  waitsFor.set(request, found);
}

function answerOutcome(step: Step, request: RequestId, invocation: Invocation): void {
  const outcome = tryRead(() => readOutcome(step.tx, invocation));
  if (outcome === undefined) {
    refuse(step, request, NOT_FOUND);
    return;
  }
  if (outcome instanceof DamagedRowError) {
    refuseFor(step, request, invocation, damagedRefusal(outcome));
    return;
  }
  const { result, contentType } = outcome;
  const { expiresAtMs } = invocation;
  const invocationId = invocationIdOf(invocation);
  const answer = { kind: "completed", invocationId, result, contentType, expiresAtMs } as const;
  respond(step, request, answer);
}

function refuseFor(
  step: Step,
  request: RequestId,
  invocation: Invocation,
  { code, message }: { readonly code: number; readonly message: string },
  source: "ingress" | "invocation" = "invocation",
): void {
  const invocationId = invocationIdOf(invocation);
  respond(step, request, { kind: "refused", code, message, invocationId, source });
}

interface Refusal {
  readonly code: number;
  readonly message: string;
}

/** The invocation that is meant, or why there is none to be asked. */
function resolve(step: Step, ref: InvocationRef): Invocation | Refusal {
  switch (ref.kind) {
    case "id":
      return findById(step, ref.invocationId);
    case "workflow":
      return loadNamed(step, workflowKey(ref.service, ref.key));
    case "idempotency-key":
      return loadNamed(step, idempotencyKey(ref.target, ref.idempotencyKey));
  }
}

/** The invocation with this id, or why there is none to be asked. */
export function findById(step: Step, id: string): Invocation | Refusal {
  const parts = parseInvocationId(id);
  if (parts === undefined) return NOT_FOUND;
  return find(step, parts) ?? quarantineOf(step, parts.sequence) ?? NOT_FOUND;
}

function loadNamed(step: Step, key: string): Invocation | Refusal {
  const row = step.tx.get(key);
  if (row === undefined) return NOT_FOUND;
  const sequence = tryRead(() => decodeNumber(row));
  if (sequence instanceof DamagedRowError) return damagedRefusal(sequence);
  const invocation = load(step, sequence);
  if (invocation === undefined) return quarantineOf(step, sequence) ?? NOT_FOUND;
  return invocation.purging ? NOT_FOUND : invocation;
}
