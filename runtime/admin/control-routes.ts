/**
 * Routes of the admin API that take hold: of an invocation, of many, of a key, of a service.
 *
 * 1. Every answer is given when what was asked is durable, and says what will happen.
 * 2. For many: a page of the list, and the single action for each. At most `limit` per request, so
 *    that traffic goes on beside it; what was done stays done when the client goes away.
 */
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type { Question } from "../ask.ts";
import type { Response } from "../core/effect.ts";
import type { Status } from "../core/invocation.ts";
import { HttpProblem, json, type Answer } from "../http/answer.ts";
import { askOrRefuse } from "../http/ask-or-refuse.ts";
import { route, type Call, type Route } from "../http/route.ts";
import type { AdminApi } from "./admin.ts";
import { bulkRequestOf, refuseUnknown } from "./parameters.ts";
import type { BulkBody, ControlBody, HoldBody, InvocationSummary, PausesBody } from "./views.ts";

type AdminCall = Call<AdminApi>;
type Control = Extract<Question, { kind: "cancel" | "kill" | "pause" | "resume" | "purge" }>;
type Action = Control["kind"];
type Hold = Extract<
  Question,
  { kind: "pause-key" | "resume-key" | "pause-service" | "resume-service" }
>;

/** What an action for many is asked of when no status is given: those it can do something to. */
const STATUSES_OF: Readonly<Record<Action, readonly Status[]>> = {
  cancel: ["scheduled", "inboxed", "ready", "running", "suspended", "backing-off", "paused"],
  kill: ["scheduled", "inboxed", "ready", "running", "suspended", "backing-off", "paused"],
  pause: ["scheduled", "inboxed", "ready", "running", "suspended", "backing-off"],
  resume: ["scheduled", "inboxed", "backing-off", "paused"],
  purge: ["completed"],
};
const ACTIONS = ["cancel", "kill", "pause", "resume", "purge"] as const;

export const CONTROL_ROUTES: readonly Route<AdminApi>[] = [
  ...ACTIONS.flatMap((action) => [
    route<AdminApi>("PATCH", `/invocations/${action}`, (call) => controlMany(call, action)),
    route<AdminApi>("PATCH", `/invocations/:id/${action}`, (call) => controlOne(call, action)),
  ]),
  route("GET", "/pauses", async ({ api, request }) => {
    refuseUnknown(request.query, []);
    const body: PausesBody = { pauses: await api.core().reads.listPauses() };
    return json(200, body);
  }),
  ...(["pause", "resume"] as const).flatMap((action) => [
    route<AdminApi>("PATCH", `/services/:service/${action}`, (call) =>
      hold(call, { kind: `${action}-service`, service: call.part("service") }),
    ),
    route<AdminApi>("PATCH", `/services/:service/keys/:key/${action}`, (call) =>
      hold(call, { kind: `${action}-key`, service: call.part("service"), key: call.part("key") }),
    ),
  ]),
];

async function controlOne(call: AdminCall, action: Action): Promise<Answer> {
  const { ask } = call.api.core();
  const text = call.part("id");
  if (parseInvocationId(text) === undefined) throw badId(text);
  const invocationId = text as InvocationId; // the parser knows the form
  const { query, signal } = call.request;
  refuseUnknown(query, parametersOf(action));
  const response = await askOrRefuse(ask, questionOf(action, invocationId, query), signal);
  if (response.kind === "refused") {
    const message = response.code === 404 ? notFound(text) : response.message;
    throw new HttpProblem(response.code, message);
  }
  const { applied, effect } = controlled(response, action);
  const body: ControlBody = { invocationId, applied, effect };
  return json(applied === "now" ? 200 : 202, body);
}

/** In flight at once: enough to share commits, few enough to leave room for traffic. */
const IN_FLIGHT_MAX = 64;

async function controlMany(call: AdminCall, action: Action): Promise<Answer> {
  const { reads } = call.api.core();
  const { query, signal } = call.request;
  const { filter, limit, after } = bulkRequestOf(query, parametersOf(action));
  const statuses = filter.statuses.length > 0 ? filter.statuses : STATUSES_OF[action];
  const counts = { matched: 0, applied: 0, appended: 0, refused: 0 };
  let next = after;
  do {
    const page = { limit: Math.min(IN_FLIGHT_MAX, limit - counts.matched), after: next };
    const found = await reads.listInvocations({ ...filter, statuses }, page);
    const outcomes = await Promise.all(
      found.invocations.map((each) => outcomeOf(call, action, each)),
    );
    counts.matched += outcomes.length;
    for (const outcome of outcomes) counts[outcome]++;
    next = found.next;
  } while (next !== null && counts.matched < limit && !signal.aborted);
  const body: BulkBody = { ...counts, nextCursor: next === null ? null : String(next) };
  return json(200, body);
}

async function outcomeOf(
  { api, request }: AdminCall,
  action: Action,
  { id }: InvocationSummary,
): Promise<"applied" | "appended" | "refused"> {
  // Of its own: what was asked goes through when the client has gone, and is not asked for again.
  const { signal } = new AbortController();
  const question = questionOf(action, id, request.query);
  const response = await askOrRefuse(api.core().ask, question, signal);
  if (response.kind === "refused") return "refused";
  return controlled(response, action).applied === "now" ? "applied" : "appended";
}

function parametersOf(action: Action): readonly string[] {
  return action === "resume" ? ["deployment"] : [];
}

function questionOf(action: Action, invocationId: InvocationId, query: URLSearchParams): Control {
  const deployment = query.get("deployment");
  return action === "resume" && deployment !== null
    ? { kind: action, invocationId, deployment }
    : { kind: action, invocationId };
}

async function hold(call: AdminCall, question: Hold): Promise<Answer> {
  refuseUnknown(call.request.query, []);
  const response = await askOrRefuse(call.api.core().ask, question, call.request.signal);
  if (response.kind === "refused") throw new HttpProblem(response.code, response.message);
  const { effect } = controlled(response, question.kind);
  const key = "key" in question ? question.key : null;
  const body: HoldBody = { service: question.service, key, effect };
  return json(200, body);
}

function controlled(response: Response, action: string): Response & { kind: "controlled" } {
  if (response.kind === "controlled") return response;
  throw new Error(`the machine answered a ${action} with "${response.kind}"`);
}

export function notFound(id: string): string {
  return `The requested invocation '${id}' does not exist; it never did, or its retention is over`;
}

export function badId(text: string): HttpProblem {
  const message = `bad invocation id '${text.slice(0, 100)}': an id looks like inv_0a1b2c... and is taken over as it was answered`;
  return new HttpProblem(400, message);
}
