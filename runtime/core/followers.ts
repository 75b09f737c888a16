/**
 * Followers: the next invocations of a busy key travel with the start of the one before them, so that a
 * hot key costs one frame each way for many and not for each. The worker runs them one after the other
 * on its own copy of the state (docs/decisions/0014-chained-starts.md).
 *
 * 1. Only memory knows of them: on disk, and to everybody else, a follower is inboxed until the key is
 *    handed to it. So a crash, a lost worker or a bug in here changes no order and loses nothing.
 * 2. A handle of a follower names no attempt before the key was handed to it by the `end` of the one
 *    before it: what a worker said for it until then, or says once it is void, is refused like the
 *    words of every dead attempt.
 * 3. A follower takes over only where it would be started by itself, there and then. If anything else
 *    happens all that are left of its chain are void, and the worker is told so.
 * 4. What it runs on is what the rows say: only commands of the exclusive attempt change the state of a
 *    key, the worker had all of it when the chain began, and one refused command ends the attempt, and
 *    with it the chain.
 * 5. A chain is at most twice as long as the one that came true before it: a key whose invocations fail
 *    or suspend is sent few in vain.
 */
import type { Follower } from "../../protocol/message.ts";
import { readOr } from "./damage.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { bytesOf, inboxKey, inboxPrefix, inputKey, lockKey, prefixEnd } from "./keys.ts";
import { decodeInput, decodeLock, decodeNumber, type InputRow } from "./rows.ts";
import { load, tell, type Announced, type Attempt, type Connection, type Step } from "./step.ts";

/** Whatever a worker offers. */
const FOLLOWERS_MAX = 32;
/** Of their inputs and headers together. */
const FOLLOWERS_BYTES_MAX = 64 * 1024;

/** What an attempt that ended leaves to whoever has its key next. */
export interface Handover {
  readonly connection: Connection;
  followers: readonly Announced[];
  readonly stateBytes: number | null;
  /** How many wait behind the next one. */
  waiting: number;
}

/** Of an attempt that its worker ended as assumed. From now on the followers are not the attempt's. */
export function handoverOf(attempt: Attempt): Handover {
  const { connection, followers, stateBytes } = attempt;
  attempt.followers = [];
  return { connection, followers, stateBytes, waiting: 0 };
}

/** Whether this one is the first follower: then it is taken from the handover, with those behind it. */
export function takeFollower(
  handover: Handover,
  connection: Connection,
  invocation: Invocation,
): Pick<Attempt, "handle" | "followers"> | undefined {
  const [first] = handover.followers;
  if (first?.sequence !== invocation.sequence) return undefined;
  if (connection !== handover.connection || hasJournal(invocation)) return undefined;
  const followers = handover.followers.slice(1);
  handover.followers = [];
  return { handle: first.handle, followers };
}

/** They will not follow this one: nobody takes what their worker says for them. */
export function voidFollowers(
  step: Step,
  connection: Connection,
  { target }: Invocation,
  followers: readonly Announced[],
): void {
  if (followers.length === 0) return;
  step.memory.keys.setChainMax(lockKey(target.service, target.key ?? ""), undefined);
  if (step.memory.connections.get(connection.id) !== connection) return;
  for (const { handle } of followers) {
    const reason = "it does not follow any more";
    tell(step, { connection, handle }, { kind: "abort", attempt: handle, reason }, "durable");
  }
}

/** One that waits in an inbox will not start when its turn comes. */
export function withdrawFollower(step: Step, invocation: Invocation): void {
  const { target, sequence } = invocation;
  const row = step.tx.get(lockKey(target.service, target.key ?? ""));
  const holder = row && readOr(() => decodeLock(row).holder, undefined);
  const attempt = holder === undefined ? undefined : step.memory.attempts.get(holder);
  const at = attempt?.followers.findIndex((it) => it.sequence === sequence) ?? -1;
  if (attempt === undefined || at < 0) return;
  voidFollowers(step, attempt.connection, invocation, attempt.followers.slice(at));
  attempt.followers = attempt.followers.slice(0, at);
}

export interface Chain {
  readonly announced: readonly Announced[];
  readonly sent: readonly Follower[];
}

export const NO_CHAIN: Chain = { announced: [], sent: [] };

/** Those that may travel with this start. */
export function chooseFollowers(
  step: Step,
  connection: Connection,
  head: Invocation,
  { waiting }: Handover,
): Chain {
  const { keys } = step.memory;
  const lock = lockKey(head.target.service, head.target.key ?? "");
  const most = keys.chainMax(lock);
  const count = Math.min(waiting, most, connection.followersMax);
  if (count === 0) return NO_CHAIN;
  keys.setChainMax(lock, Math.min(2 * most, FOLLOWERS_MAX));
  const announced: Announced[] = [];
  const sent: Follower[] = [];
  let bytes = 0;
  for (const row of inboxRows(step, head, count)) {
    const invocation = waitingAt(step, row);
    if (invocation === undefined || !mayFollow(connection, invocation)) break;
    const input = inputOf(step, invocation);
    bytes += input?.bytes ?? 0;
    if (input === undefined || bytes > FOLLOWERS_BYTES_MAX) break;
    const attempt = connection.nextHandle++;
    announced.push({ handle: attempt, sequence: invocation.sequence });
    sent.push(followerOf(attempt, invocation, input.row));
  }
  return { announced, sent };
}

function inboxRows({ tx, memory }: Step, { target }: Invocation, limit: number): Uint8Array[] {
  const { service } = target;
  const key = target.key ?? "";
  const from = inboxKey(service, key, memory.keys.inboxFrom(lockKey(service, key)));
  return tx.range({ from, to: prefixEnd(inboxPrefix(service, key)), limit }).map(([, row]) => row);
}

/** Undefined when damage hides who waits there. */
function waitingAt(step: Step, row: Uint8Array): Invocation | undefined {
  const sequence = readOr(() => decodeNumber(row), undefined);
  return sequence === undefined ? undefined : load(step, sequence);
}

function mayFollow(connection: Connection, invocation: Invocation): boolean {
  const { target, holdRequested } = invocation;
  const manifest = connection.services.get(target.service);
  const handler = manifest?.handlers.find((it) => it.name === target.handler);
  const startsEager = handler !== undefined && !handler.lazyState;
  return startsEager && !holdRequested && !hasJournal(invocation);
}

/** A signal may come while it waits. Its worker has to be given that, or the start anew. */
function hasJournal({ commands, deliveries }: Invocation): boolean {
  return commands + deliveries > 0;
}

function inputOf(
  step: Step,
  { sequence }: Invocation,
): { readonly row: InputRow; readonly bytes: number } | undefined {
  const row = step.tx.get(inputKey(sequence));
  const decoded = row && readOr(() => decodeInput(row), undefined);
  return decoded && row && { row: decoded, bytes: row.length };
}

function followerOf(attempt: number, invocation: Invocation, input: InputRow): Follower {
  return {
    attempt,
    invocationId: invocationIdOf(invocation),
    handler: invocation.target.handler,
    seed: bytesOf(invocation.seed),
    createdAtMs: invocation.createdAtMs,
    headers: input.headers,
    idempotencyKey: invocation.idempotencyKey,
    input: input.parameter,
  };
}
