/**
 * Commands as the code asks for them, before the machine has numbered them; how a draft is held
 * against a recorded command; and how both are named to people.
 */
import type { Command, CommandKind } from "../../protocol/command.ts";
import type { Result } from "../../protocol/payload.ts";

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A command without what the machine adds. A `withdraw` names the completion it takes back. */
export type Draft =
  | DistributiveOmit<
      Exclude<Command, { readonly kind: "withdraw" }>,
      "index" | "after" | "outside" | "completionId"
    >
  | DistributiveOmit<
      Extract<Command, { readonly kind: "withdraw" }>,
      "index" | "after" | "outside"
    >;

/** Kinds that are answered later, by a completion. */
const COMPLETED_LATER: ReadonlySet<CommandKind> = new Set<CommandKind>([
  "get-state",
  "get-state-keys",
  "sleep",
  "call",
  "invocation-id",
  "run",
  "awakeable",
  "get-promise",
  "peek-promise",
  "complete-promise",
  "attach",
  "date",
]);

export function isCompletedLater(kind: CommandKind): boolean {
  return COMPLETED_LATER.has(kind);
}

/** A read may be recorded in either form, answered on the spot or later: it is the same request. */
function familyOf(kind: CommandKind): string {
  return kind.endsWith("-here") ? kind.slice(0, -"-here".length) : kind;
}

/** What the command is about: a state key, a target, a promise, a signal. */
function subjectOf(it: Draft | Command): string {
  switch (it.kind) {
    case "get-state":
    case "get-state-here":
    case "set-state":
    case "clear-state":
      return it.key;
    case "call":
    case "send": {
      const { service, key, handler } = it.target;
      return key === null ? `${service}/${handler}` : `${service}/${key}/${handler}`;
    }
    case "get-promise":
    case "peek-promise":
    case "complete-promise":
      return it.promise;
    case "await-signal":
    case "send-signal":
      return it.signal;
    case "complete-awakeable":
      return it.awakeableId;
    case "cancel":
    case "attach":
      return it.invocationId;
    case "invocation-id":
      return String(it.of);
    case "withdraw":
      return String(it.completionId);
    case "patched":
      return it.patch;
    default:
      return "";
  }
}

/** What tells two commands from outside a turn apart: kind, name and subject. */
export function identityOf(it: Draft | Command): string {
  return JSON.stringify([familyOf(it.kind), it.name, subjectOf(it)]);
}

/** For people: `run "charge"`, `call account/a/debit`. */
export function describe(it: Draft | Command): string {
  const name = it.name === "" ? "" : ` "${it.name}"`;
  const subject = subjectOf(it);
  return `${familyOf(it.kind)}${name}${subject === "" ? "" : ` ${subject}`}`;
}

/** Why a draft is not what was recorded; undefined when it is. Durations and policies are not compared. */
export function difference(recorded: Command, draft: Draft): string | undefined {
  if (familyOf(recorded.kind) !== familyOf(draft.kind)) return "another kind of call";
  if (recorded.name !== draft.name) return "another name";
  if (subjectOf(recorded) !== subjectOf(draft)) return "another subject";
  if (recorded.kind === "set-state" && draft.kind === "set-state") {
    return sameBytes(recorded.value, draft.value) ? undefined : "another value";
  }
  if (
    (recorded.kind === "call" && draft.kind === "call") ||
    (recorded.kind === "send" && draft.kind === "send")
  ) {
    if (recorded.idempotencyKey !== draft.idempotencyKey) return "another idempotency key";
    return sameBytes(recorded.parameter, draft.parameter) ? undefined : "another parameter";
  }
  if ("result" in recorded && "result" in draft) {
    return sameResult(recorded.result, draft.result) ? undefined : "another result";
  }
  return undefined;
}

function sameResult(a: Result, b: Result): boolean {
  if (a.ok && b.ok) return sameBytes(a.value, b.value);
  if (a.ok || b.ok) return false;
  return a.failure.message === b.failure.message && a.failure.code === b.failure.code;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
