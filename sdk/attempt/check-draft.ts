/**
 * What no message could carry is refused where the code asks for it. A worker that breaks the protocol
 * loses its connection, and with it all its other attempts: so one handler's mistake must not get as far
 * as the wire. From JavaScript, or past a cast, anything may come; bytes are bytes by serde/encode.ts.
 */
import { FailureCode } from "../../protocol/failure.ts";
import { HEADERS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX } from "../../protocol/wire-limits.ts";
import { TerminalError } from "../errors.ts";
import { requireString, requireWellFormed, requireWellFormedTexts } from "../text.ts";
import type { Draft } from "./draft.ts";

type CallDraft = Draft & { readonly kind: "call" | "send" };

/** @throws TypeError for what is no text, TerminalError for what is too large */
export function checkDraft(draft: Draft, payloadBytesMax: number): void {
  requireString(draft.name, `the name of a ${draft.kind}`);
  if (draft.kind === "call" || draft.kind === "send") checkCall(draft);
  else if (draft.name !== "") checkTextBytes(draft.kind, Buffer.byteLength(draft.name));
  checkName(draft);
  // Names and keys are refused where they are given; this is for all others, and nothing slips by.
  if (draft.kind === "run") requireWellFormed(draft.name, "run.name");
  else requireWellFormedTexts(draft, draft.kind);
  const { payload, what } = payloadOf(draft);
  if (payload > payloadBytesMax) {
    throw new TerminalError(`${what} has ${payload} bytes, the limit is ${payloadBytesMax}`, {
      errorCode: FailureCode.payloadTooLarge,
    });
  }
}

function checkCall({ kind, name, target, headers, idempotencyKey }: CallDraft): void {
  const { service, handler, key } = target;
  requireString(service, `the service of a ${kind}`);
  requireString(handler, `the handler of a ${kind}`);
  if (key !== null) requireString(key, `the key of a ${kind}`);
  if (idempotencyKey !== null) requireString(idempotencyKey, `the idempotency key of a ${kind}`);
  if (headers.length > HEADERS_MAX) {
    const message = `a ${kind} has ${headers.length} headers, the limit is ${HEADERS_MAX}`;
    throw new TerminalError(message, { errorCode: FailureCode.badRequest });
  }
  let bytes = Buffer.byteLength(name + service + handler + (key ?? "") + (idempotencyKey ?? ""));
  for (const [header, value] of headers) {
    requireString(value, `the header "${header}" of a ${kind}`);
    bytes += Buffer.byteLength(header) + Buffer.byteLength(value);
  }
  checkTextBytes(kind, bytes);
}

function checkTextBytes(kind: string, bytes: number): void {
  if (bytes <= TEXT_BYTES_MAX) return;
  const message = `the texts of a ${kind} have ${bytes} bytes, the limit is ${TEXT_BYTES_MAX}: give what is large as the parameter`;
  throw new TerminalError(message, { errorCode: FailureCode.payloadTooLarge });
}

function checkName(draft: Draft): void {
  const { of, name } = nameOf(draft);
  requireString(name, `the name of a ${of}`);
  const nameBytes = Buffer.byteLength(name);
  if (nameBytes <= NAME_BYTES_MAX) return;
  throw new TerminalError(
    `${draft.kind}: the name "${name.slice(0, 40)}..." has ${nameBytes} bytes, the limit is ${NAME_BYTES_MAX}`,
    { errorCode: FailureCode.badRequest },
  );
}

/** What becomes part of a key in the store. */
function nameOf(draft: Draft): { readonly of: string; readonly name: string } {
  if ("promise" in draft) return { of: "promise", name: draft.promise };
  if ("signal" in draft) return { of: "signal", name: draft.signal };
  if ("patch" in draft) return { of: "patch", name: draft.patch };
  return { of: "state", name: "key" in draft ? draft.key : "" };
}

function payloadOf(draft: Draft): { readonly payload: number; readonly what: string } {
  if (draft.kind === "set-state") {
    return { payload: draft.value.length, what: `the state "${draft.key}"` };
  }
  if (draft.kind === "call" || draft.kind === "send") {
    const { service, handler } = draft.target;
    return { payload: draft.parameter.length, what: `the parameter for ${service}/${handler}` };
  }
  const result = "result" in draft && draft.result.ok ? draft.result.value.length : 0;
  return { payload: result, what: `the value of a ${draft.kind}` };
}
