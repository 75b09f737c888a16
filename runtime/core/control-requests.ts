/**
 * Control as somebody outside asks for it, and the sentence that says what will happen. What it does
 * to an invocation is in control.ts, to a key or a service in hold.ts.
 *
 * The answer is given with the change, in one step and one batch: who has it can rely on it.
 */
import { FailureCode } from "../../protocol/failure.ts";
import { cancel, kill, pause, resume, type Controlled } from "./control.ts";
import { pauseKey, pauseService, resumeKey, resumeService, type Held } from "./hold.ts";
import type { ControlInvocation, HoldKey, HoldService, RequestId } from "./input.ts";
import { invocationIdOf, type Invocation, type Status } from "./invocation.ts";
import { heldBy, PAUSED_KEYS_MAX } from "./pauses.ts";
import { purgeNow } from "./purge.ts";
import { hasWorker } from "./ready.ts";
import { moveTo } from "./repin.ts";
import { findById } from "./requests.ts";
import { refuse, respond, type Step } from "./step.ts";

type Done = Controlled | "purged" | "not-completed" | "moved";

export function onControl(step: Step, control: ControlInvocation): void {
  const { request, invocationId } = control;
  const invocation = findById(step, invocationId);
  if (!("sequence" in invocation)) {
    refuse(step, request, invocation);
    return;
  }
  const before = invocation.status;
  const done = act(step, invocation, control);
  if (typeof done === "object") {
    refuseFor(step, request, invocation, done);
    return;
  }
  const conflict = CONFLICTS[done];
  if (conflict !== undefined) {
    refuseFor(step, request, invocation, conflict(before));
    return;
  }
  const applied = APPENDED.has(done) ? "appended" : "now";
  const effect = sentence(step, invocation, { done, action: control.kind, before });
  respond(step, request, { kind: "controlled", applied, effect });
}

/** What is recorded, and happens when the code sees it or its turn comes. */
const APPENDED: ReadonlySet<Done> = new Set(["appended", "cancelled-already", "pauses-when-ready"]);

interface Refused {
  readonly code: number;
  readonly message: string;
}

function act(step: Step, invocation: Invocation, control: ControlInvocation): Done | Refused {
  switch (control.kind) {
    case "cancel":
      return cancel(step, invocation);
    case "kill":
      return kill(step, invocation);
    case "pause":
      return pause(step, invocation);
    case "resume":
      return resumeOn(step, invocation, control.deployment ?? "keep");
    case "purge":
      if (invocation.status !== "completed") return "not-completed";
      purgeNow(step, invocation);
      return "purged";
  }
}

function resumeOn(step: Step, invocation: Invocation, deployment: string): Done | Refused {
  if (deployment === "keep") return resume(step, invocation);
  const moved = moveTo(step, invocation, deployment);
  if (moved !== "moved") return typeof moved === "string" ? resume(step, invocation) : moved;
  const resumed = resume(step, invocation);
  // What is suspended or ready goes on by itself, on the other deployment.
  return resumed === "resumed" || resumed === "retries-runs" ? resumed : "moved";
}

const conflict = (message: string): Refused => ({ code: FailureCode.conflict, message });

const CONFLICTS: { readonly [K in Done]?: (status: Status) => Refused } = {
  "completed-already": () => conflict("the invocation has already completed"),
  "nothing-to-resume": (status) => ({
    code: status === "scheduled" || status === "inboxed" ? TOO_EARLY : FailureCode.conflict,
    message: `the invocation is ${status}: there is nothing to resume`,
  }),
  "not-completed": (status) =>
    conflict(
      `the invocation is ${status}: only what has completed can be purged; cancel or kill it first`,
    ),
};
const TOO_EARLY = 425;

interface Told {
  readonly done: Done;
  readonly action: ControlInvocation["kind"];
  /** Its status before. */
  readonly before: Status;
}

function sentence(step: Step, invocation: Invocation, { done, action, before }: Told): string {
  switch (done) {
    case "ended":
      return action === "cancel"
        ? `it was ${before} and had not started: it ended as cancelled`
        : `it was ${before} and ended as killed, and so do the calls that it made and waited for`;
    case "appended":
      return `it was ${before}: ${seesCancellation(step, invocation)}; the calls it waits for are cancelled`;
    case "cancelled-already":
      return "it is cancelled already, and its code has asked for nothing since; kill ends it now";
    case "paused":
      return `it was ${before} and is paused; it keeps its key until it is resumed, cancelled or killed`;
    case "paused-already":
      return "it was paused already";
    case "pauses-when-ready":
      return `it is ${before}: it pauses when its turn comes, before its code starts`;
    case "resumed":
      return before === "scheduled" || before === "inboxed"
        ? `it is ${before} and will not pause when its turn comes`
        : `it was ${before} and ${goesOn(step, invocation)}`;
    case "retries-runs":
      return retriesRuns(step, invocation);
    case "moved":
      return `it is ${before} and goes on on deployment ${String(invocation.deployment)} when its turn comes`;
    case "purged":
      return "its result, journal and id are forgotten";
    case "completed-already":
    case "nothing-to-resume":
    case "not-completed":
      return CONFLICTS[done]?.(before).message ?? "";
  }
}

function seesCancellation(step: Step, invocation: Invocation): string {
  if (invocation.pauseReason === "damaged") return cannotRun(invocation);
  const sees = "its handler sees the cancellation";
  if (invocation.status === "running") {
    const run = invocation.runs > 0 ? "a ctx.run that is executing is aborted, " : "";
    return `${sees} at its next ctx promise, ${run}and it may compensate`;
  }
  return `${sees} when ${startOf(step, invocation)}, and may compensate; kill ends it now`;
}

/** It was tried, and is paused again. */
function cannotRun({ lastFailure }: Invocation): string {
  return `it is paused, for it cannot run: ${String(lastFailure?.failure.message)}`;
}

function goesOn(step: Step, invocation: Invocation): string {
  if (invocation.pauseReason === "damaged") return cannotRun(invocation);
  return invocation.status === "running" ? "goes on" : `goes on when ${startOf(step, invocation)}`;
}

function retriesRuns(step: Step, invocation: Invocation): string {
  if (invocation.pauseReason === "damaged") return cannotRun(invocation);
  const when = invocation.status === "running" ? "now" : `when ${startOf(step, invocation)}`;
  return `its runs that backed off are tried again ${when}`;
}

/** What the next attempt of a ready invocation waits for. */
function startOf(step: Step, invocation: Invocation): string {
  const { service, key, handler } = invocation.target;
  const held = heldBy(step.memory, invocation.target);
  if (held === "service") return `the service ${service} is resumed`;
  if (held === "key") return `the key ${String(key)} of ${service} is resumed`;
  if (hasWorker(step, invocation)) return "a worker has room";
  const { deployment } = invocation;
  const of = deployment === null ? "" : ` of deployment ${deployment}`;
  return `a worker${of} that serves ${service}/${handler} is connected`;
}

export function onHoldKey(step: Step, { request, kind, service, key }: HoldKey): void {
  const known = step.memory.services.get(service);
  if (known === undefined) {
    refuse(step, request, noService(service));
  } else if (known.manifest.kind === "service") {
    const message = `'${service}' is a service and has no keys; pause the whole service, or an object's or workflow's key`;
    refuse(step, request, { code: FailureCode.badRequest, message });
  } else {
    const held =
      kind === "pause-key" ? pauseKey(step, service, key) : resumeKey(step, service, key);
    answerHeld(step, request, held, `the key ${key} of ${service}`);
  }
}

export function onHoldService(step: Step, { request, kind, service }: HoldService): void {
  if (!step.memory.services.has(service)) {
    refuse(step, request, noService(service));
    return;
  }
  const held =
    kind === "pause-service" ? pauseService(step, service) : resumeService(step, service);
  answerHeld(step, request, held, `the service ${service}`);
}

function answerHeld(step: Step, request: RequestId, held: Held, what: string): void {
  switch (held) {
    case "paused": {
      const effect = `${what} is paused: nothing of it runs until it is resumed; what was running is stopped where it was, and new calls are accepted and wait`;
      respond(step, request, { kind: "controlled", applied: "now", effect });
      return;
    }
    case "paused-already":
    case "resumed": {
      const effect =
        held === "resumed"
          ? `${what} is resumed: what waited goes on, in its old order`
          : `${what} was paused already`;
      respond(step, request, { kind: "controlled", applied: "now", effect });
      return;
    }
    case "not-paused":
      refuse(step, request, conflict(`${what} is not paused`));
      return;
    case "too-many-pauses": {
      const message = `${PAUSED_KEYS_MAX} keys are paused already; resume some, or pause the service`;
      refuse(step, request, { code: TOO_MANY, message });
      return;
    }
  }
}
const TOO_MANY = 429;

function noService(service: string): Refused {
  const message = `service '${service}' not found, make sure to register the service before calling it.`;
  return { code: FailureCode.notFound, message };
}

function refuseFor(
  step: Step,
  request: RequestId,
  invocation: Invocation,
  { code, message }: Refused,
): void {
  const invocationId = invocationIdOf(invocation);
  respond(step, request, { kind: "refused", code, message, invocationId, source: "ingress" });
}
