/** The JSON by which `POST /restate/attach`, `/output` and `/lookup` name an invocation. */
import type { Limits } from "../core/limits.ts";
import type { InvocationRef } from "../core/input.ts";
import { HttpProblem } from "../http/answer.ts";
import { decodeUtf8 } from "../http/text.ts";
import { idRef, idempotencyRef, workflowRef } from "./refs.ts";

export const TARGET_BODY_BYTES_MAX: number = 64 * 1024;

const EXPECTED =
  'expected {"target":"invocation","invocationId"}, {"target":"workflow","workflowName","workflowKey"} or {"target":"idempotentInvocation","service","key" (for an object),"handler","idempotencyKey"}';

export function parseTargetBody(body: Uint8Array, limits: Limits): InvocationRef {
  const fields = parseObject(body);
  const text = (name: string): string => {
    const value = fields.get(name);
    if (typeof value !== "string") throw bad(`'${name}' is not a string`);
    return value;
  };
  if ((fields.get("scope") ?? null) !== null) throw bad("scopes are not supported");
  switch (fields.get("target")) {
    case "invocation":
      return idRef(text("invocationId"));
    case "workflow":
      return workflowRef({ service: text("workflowName"), key: text("workflowKey") }, limits);
    case "idempotentInvocation": {
      const key = (fields.get("key") ?? null) === null ? null : text("key");
      const target = { service: text("service"), handler: text("handler"), key };
      return idempotencyRef(target, text("idempotencyKey"), limits);
    }
    default:
      throw bad("'target' is missing or not known");
  }
}

function parseObject(body: Uint8Array): ReadonlyMap<string, unknown> {
  const text = decodeUtf8(body);
  if (text === undefined) throw bad("the body is not UTF-8");
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad("the body is not a JSON object");
  }
  return new Map(Object.entries(value));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Only SyntaxError, and RangeError for a depth that no honest body has.
    throw bad(error instanceof SyntaxError ? error.message : "the body is nested too deeply");
  }
}

function bad(reason: string): HttpProblem {
  return new HttpProblem(400, `bad target: ${reason}; ${EXPECTED}`);
}
