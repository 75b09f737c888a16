/**
 * What no message could carry is refused where the code asks for it. A worker that breaks the protocol
 * loses its connection, and with it all its other attempts: so one handler's mistake must not get as far
 * as the wire. From JavaScript, or past a cast, anything may come; bytes are bytes by serde/encode.ts. What
 * an error says is put together only when there is one: each ctx call passes here.
 */
import { FailureCode } from "../../protocol/failure.ts";
import { HEADERS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX } from "../../protocol/wire-limits.ts";
import { TerminalError } from "../errors.ts";
import { requireString, requireWellFormed, requireWellFormedTexts } from "../text.ts";
import type { Draft } from "./draft.ts";

type CallDraft = Draft & { readonly kind: "call" | "send" };

/** @throws TypeError for what is no text, TerminalError for what is too large */
export function checkDraft(draft: Draft, payloadBytesMax: number): void {
  if (typeof draft.name !== "string") requireString(draft.name, `the name of a ${draft.kind}`);
  if (draft.kind === "call" || draft.kind === "send") checkCall(draft);
  else if (draft.name !== "") checkTextBytes(draft.kind, Buffer.byteLength(draft.name));
  checkName(draft);
  // Names and keys are refused where they are given; this is for all others, and nothing slips by.
  if (draft.kind === "run") requireWellFormed(draft.name, "run.name");
  else requireWellFormedTexts(draft, draft.kind);
  const payload = payloadBytesOf(draft);
  if (payload <= payloadBytesMax) return;
  const message = `${payloadOf(draft)} has ${payload} bytes, the limit is ${payloadBytesMax}`;
  throw new TerminalError(message, { errorCode: FailureCode.payloadTooLarge });
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
  const name = nameOf(draft);
  if (typeof name !== "string") requireString(name, `the name of a ${kindOfName(draft)}`);
  const nameBytes = Buffer.byteLength(name);
  if (nameBytes <= NAME_BYTES_MAX) return;
  throw new TerminalError(
    `${draft.kind}: the name "${name.slice(0, 40)}..." has ${nameBytes} bytes, the limit is ${NAME_BYTES_MAX}`,
    { errorCode: FailureCode.badRequest },
  );
}

/** What becomes part of a key in the store. */
function nameOf(draft: Draft): string {
  if ("promise" in draft) return draft.promise;
  if ("signal" in draft) return draft.signal;
  if ("patch" in draft) return draft.patch;
  return "key" in draft ? draft.key : "";
}

function kindOfName(draft: Draft): string {
  return ["promise", "signal", "patch"].find((it) => it in draft) ?? "state";
}

function payloadBytesOf(draft: Draft): number {
  if (draft.kind === "set-state") return draft.value.length;
  if (draft.kind === "call" || draft.kind === "send") return draft.parameter.length;
  return "result" in draft && draft.result.ok ? draft.result.value.length : 0;
}

function payloadOf(draft: Draft): string {
  if (draft.kind === "set-state") return `the state "${draft.key}"`;
  if (draft.kind !== "call" && draft.kind !== "send") return `the value of a ${draft.kind}`;
  const { service, handler } = draft.target;
  return `the parameter for ${service}/${handler}`;
}
