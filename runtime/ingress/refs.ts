/** Which invocation a caller means, made from checked parts. */
import type { Target } from "../../protocol/command.ts";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { InvocationRef } from "../core/input.ts";
import type { Limits } from "../core/limits.ts";
import { HttpProblem } from "../http/answer.ts";
import { checkName, checkTarget } from "./names.ts";

export function idRef(text: string): InvocationRef {
  return { kind: "id", invocationId: checkInvocationId(text) };
}

export function checkInvocationId(text: string): InvocationId {
  if (parseInvocationId(text) === undefined) {
    const message = `bad invocation id '${text.slice(0, 100)}': an id looks like inv_0a1b2c... and is taken over as it was answered, nothing added or left out`;
    throw new HttpProblem(400, message);
  }
  return text as InvocationId; // the parser knows the form
}

export function workflowRef(
  { service, key }: { readonly service: string; readonly key: string },
  limits: Limits,
): InvocationRef {
  checkName("workflow name", service, limits, "serviceNameBytesMax");
  checkName("workflow key", key, limits, "keyBytesMax");
  return { kind: "workflow", service, key };
}

export function idempotencyRef(target: Target, key: string, limits: Limits): InvocationRef {
  checkTarget(target, limits);
  return { kind: "idempotency-key", target, idempotencyKey: checkIdempotencyKey(key, limits) };
}

export function checkIdempotencyKey(key: string, limits: Limits): string {
  return checkName("idempotency key", key, limits, "idempotencyKeyBytesMax");
}
