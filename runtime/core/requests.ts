/** Requests from outside: call, send, attach, output, awakeables, cancel, kill. */
import { FailureCode } from "../../protocol/failure.ts";
import { type InvocationId, parseInvocationId } from "../../protocol/ids.ts";
import type { AwakeableId } from "../../protocol/ids.ts";
import type { Result } from "../../protocol/payload.ts";
import { admit } from "./admit.ts";
import { completeAwakeableById } from "./commands/others.ts";
import { cancel, kill, pause, resume, type Controlled } from "./control.ts";
import type { Invoke, InvocationRef, RequestId } from "./input.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { idempotencyKey, outcomeKey, workflowKey } from "./keys.ts";
import { decodeNumber, decodeOutcome } from "./rows.ts";
import { purgeNow } from "./purge.ts";
import { find, load, refuse, respond, type Step } from "./step.ts";

export function onInvoke(step: Step, invoke: Invoke): void {
  const { request, mode } = invoke;
  const admitted = admit(step, { ...invoke, parent: null, external: true });
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

export function onAttach(step: Step, request: RequestId, ref: InvocationRef): void {
  const invocation = resolve(step, ref);
  if (invocation) awaitOutcome(step, request, invocation);
  else refuse(step, request, NOT_FOUND);
}

export function onOutput(step: Step, request: RequestId, ref: InvocationRef): void {
  const invocation = resolve(step, ref);
  if (invocation === undefined) refuse(step, request, NOT_FOUND);
  else if (invocation.status === "completed") answerOutcome(step, request, invocation);
  else {
    const message = "the invocation exists but has not completed yet";
    refuseFor(step, request, invocation, { code: FailureCode.notReady, message }, "ingress");
  }
}

export function onCompleteAwakeable(
  step: Step,
  request: RequestId,
  id: AwakeableId,
  result: Result,
): void {
  if (completeAwakeableById(step, id, result) === "taken") respond(step, request, { kind: "done" });
  else refuse(step, request, { code: FailureCode.notFound, message: "awakeable not found" });
}

export type ControlAction = "cancel" | "kill" | "pause" | "resume" | "purge";

export function onControl(
  step: Step,
  request: RequestId,
  invocationId: InvocationId,
  action: ControlAction,
): void {
  const parts = parseInvocationId(invocationId);
  const invocation = parts && find(step, parts);
  if (invocation === undefined) {
    refuse(step, request, NOT_FOUND);
    return;
  }
  const { status } = invocation;
  const done = act(step, invocation, action);
  const conflict = CONFLICTS[done];
  if (conflict !== undefined) {
    const message = conflict(status);
    refuseFor(step, request, invocation, { code: FailureCode.conflict, message }, "ingress");
    return;
  }
  const applied = done === "appended" || done === "pauses-when-ready" ? "appended" : "now";
  respond(step, request, { kind: "controlled", applied, effect: sentence(done, action, status) });
}

function act(step: Step, invocation: Invocation, action: ControlAction): Done {
  switch (action) {
    case "cancel":
      return cancel(step, invocation);
    case "kill":
      return kill(step, invocation);
    case "pause":
      return pause(step, invocation);
    case "resume":
      return resume(step, invocation);
    case "purge":
      if (invocation.status !== "completed") return "not-completed";
      purgeNow(step, invocation);
      return "purged";
  }
}

type Done = Controlled | "purged" | "not-completed";

const CONFLICTS: { readonly [K in Done]?: (status: string) => string } = {
  "completed-already": () => "the invocation has already completed",
  "nothing-to-resume": (status) => `the invocation is ${status}: there is nothing to resume`,
  "not-completed": (status) =>
    `the invocation is ${status}: only what has completed can be purged; cancel or kill it first`,
};

function sentence(done: Done, action: ControlAction, status: string): string {
  switch (done) {
    case "ended":
      return action === "cancel"
        ? `it was ${status} and had not started: it ended as cancelled`
        : `it was ${status} and ended as killed, and so did the calls it waited for`;
    case "appended":
      return `it was ${status}: its handler sees the cancellation at its next ctx promise and may compensate; the calls it waits for are cancelled`;
    case "paused":
      return `it was ${status} and is paused; it keeps its key until it is resumed, cancelled or killed`;
    case "paused-already":
      return "it was paused already";
    case "pauses-when-ready":
      return `it is ${status}: it pauses when its turn comes, before its code starts`;
    case "resumed":
      return `it was ${status} and goes on`;
    case "purged":
      return "its result, journal and id are forgotten";
    case "completed-already":
    case "nothing-to-resume":
    case "not-completed":
      return CONFLICTS[done]?.(status) ?? "";
  }
}

/** The client went away. */
export function forgetRequest(step: Step, request: RequestId): void {
  const { waitsFor, waiting } = step.memory;
  const sequence = waitsFor.get(request);
  if (sequence === undefined) return;
  waitsFor.delete(request);
  const others = waiting.get(sequence);
  others?.delete(request);
  if (others?.size === 0) waiting.delete(sequence);
}

const NOT_FOUND = { code: FailureCode.notFound, message: "invocation not found" } as const;

function awaitOutcome(step: Step, request: RequestId, invocation: Invocation): void {
  if (invocation.status === "completed") {
    answerOutcome(step, request, invocation);
    return;
  }
  const { waiting, waitsFor } = step.memory;
  const others = waiting.get(invocation.sequence);
  if (others) others.add(request);
  else waiting.set(invocation.sequence, new Set([request]));
  waitsFor.set(request, invocation.sequence);
}

function answerOutcome(step: Step, request: RequestId, invocation: Invocation): void {
  const row = step.tx.get(outcomeKey(invocation.sequence));
  if (row === undefined) {
    refuse(step, request, NOT_FOUND);
    return;
  }
  const { result, contentType } = decodeOutcome(row);
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

function resolve(step: Step, ref: InvocationRef): Invocation | undefined {
  switch (ref.kind) {
    case "id": {
      const parts = parseInvocationId(ref.invocationId);
      return parts && find(step, parts);
    }
    case "workflow":
      return loadNamed(step, workflowKey(ref.service, ref.key));
    case "idempotency-key":
      return loadNamed(step, idempotencyKey(ref.target, ref.idempotencyKey));
  }
}

function loadNamed(step: Step, key: string): Invocation | undefined {
  const row = step.tx.get(key);
  const invocation = row && load(step, decodeNumber(row));
  return invocation?.purging ? undefined : invocation;
}
