/** What an invocation waits for, and where its time went, in words. */
import type { EntryRef, InvocationPeer, WaitView } from "../runtime/admin/views.ts";
import { formatAge, formatDuration, formatTarget } from "./output.ts";

export function formatWait(wait: WaitView, nowMs: number): string {
  return `${waitText(wait, nowMs)}, for ${formatAge(wait.since, nowMs)}`;
}

function waitText(wait: WaitView, nowMs: number): string {
  switch (wait.kind) {
    case "sleep":
      return `${named("sleep", wait.name)} until ${formatUntil(wait.until, nowMs)}`;
    case "call":
    case "attach":
      return `${named(wait.kind, wait.name)}: ${formatPeer(wait.invocation)}`;
    case "awakeable":
      return `${named("awakeable", wait.name)} ${wait.awakeableId}`;
    case "promise":
      return `promise "${wait.promise}" of this workflow`;
    case "signal":
      return `signal "${wait.signal}"`;
    case "run": {
      const failed = wait.lastFailure === null ? "" : `, last failure: ${wait.lastFailure.message}`;
      const next =
        wait.nextTryAt === null ? "" : `, next try ${formatUntil(wait.nextTryAt, nowMs)}`;
      return `${named("run", wait.name)} (${wait.mode}), try ${wait.tries}${failed}${next}`;
    }
    case "key": {
      const held = formatAge(wait.heldSince, nowMs);
      return `its turn on ${wait.service}/${wait.key}, held for ${held} by ${formatPeer(wait.holder)}, ${aheadText(wait)}`;
    }
    case "start-time":
      return `its start at ${formatUntil(wait.until, nowMs)}`;
    case "retry":
      return `its next attempt at ${formatUntil(wait.until, nowMs)}`;
    case "resume":
      return `its resumption at ${formatUntil(wait.until, nowMs)}`;
    case "worker":
      return workerText(wait);
    case "pause": {
      const why = {
        asked: "somebody asked",
        exhausted: "no further try is allowed",
        damaged: "a row that it needs is damaged",
      };
      const reason = wait.reason === null ? "" : ` (${why[wait.reason]})`;
      return `the pause of this ${wait.scope} to end${reason}`;
    }
  }
}

function aheadText({ ahead, waiting }: WaitView & { kind: "key" }): string {
  return ahead === null ? `far behind in an inbox of ${waiting}` : `${ahead} ahead in the inbox`;
}

function workerText(wait: WaitView & { kind: "worker" }): string {
  const { service, deployment, workers } = wait;
  if (deployment === null) return `a worker: no deployment serves ${service}`;
  switch (wait.reason) {
    case "no-worker":
      return `a worker: none of deployment ${deployment} is connected`;
    case "not-served":
      return `a worker: the ${workers} connected of deployment ${deployment} do not take this handler of ${service}`;
    case "no-room":
      return `a worker: the ${workers} connected of deployment ${deployment} have no room`;
  }
}

/** What a person can do about it, as commands where there are any. */
export function adviseOn(wait: WaitView, id: string): string | undefined {
  switch (wait.kind) {
    case "key":
      return `see what the holder waits for: holdfast invocations describe ${wait.holder.id}`;
    case "call":
    case "attach":
      return `see what that one waits for: holdfast invocations graph ${id}`;
    case "worker":
      return workerAdvice(wait);
    case "awakeable":
      return `complete it with POST /restate/awakeables/${wait.awakeableId}/resolve`;
    case "promise":
      return `another handler of this workflow has to complete the promise "${wait.promise}"`;
    case "signal":
      return `somebody has to send it the signal "${wait.signal}"`;
    case "pause":
      return wait.hint;
    case "retry":
      return `mend what failed; it goes on by itself, or at once with: holdfast invocations resume ${id}`;
    case "run":
      return wait.lastFailure === null || wait.nextTryAt === null
        ? undefined
        : `mend what failed; it is tried again by itself, or at once with: holdfast invocations resume ${id}`;
    case "sleep":
    case "start-time":
    case "resume":
      return undefined;
  }
}

function workerAdvice({ reason, deployment }: WaitView & { kind: "worker" }): string {
  if (deployment === null) return "start a worker that serves it";
  if (reason === "no-worker") return `start a worker with HOLDFAST_VERSION=${deployment}`;
  return reason === "no-room"
    ? "it starts when an attempt ends; more workers, or a higher concurrency, help"
    : `start a worker of deployment ${deployment} that serves it`;
}

export function formatPeer({ id, target, status }: InvocationPeer): string {
  return `${target === null ? "" : `${formatTarget(target)} `}${id} (${status ?? "forgotten"})`;
}

export function formatEntry({ command, kind, name }: EntryRef): string {
  return `command ${command} (${named(kind ?? "command", name)})`;
}

export function named(kind: string, name: string): string {
  return name === "" ? kind : `${kind} "${name}"`;
}

function formatUntil(time: string, nowMs: number): string {
  const leftMs = Date.parse(time) - nowMs;
  return leftMs > 0 ? `${time} (in ${formatDuration(leftMs)})` : `${time} (due)`;
}
