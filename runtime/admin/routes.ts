/** All routes of the admin API. */
import {
  parseInvocationId,
  type InvocationId,
  type InvocationIdParts,
} from "../../protocol/ids.ts";
import type { Question } from "../ask.ts";
import { empty, HttpProblem, json, type Answer } from "../http/answer.ts";
import { askOrRefuse } from "../http/ask-or-refuse.ts";
import { route, type Call, type Route } from "../http/route.ts";
import type { AdminApi } from "./admin.ts";
import { journalRequestOf, listRequestOf, nodesMaxOf } from "./parameters.ts";
import type { ControlBody, InvocationsBody, RemovedBody } from "./views.ts";

type AdminCall = Call<AdminApi>;
type ControlKind = Extract<Question, { kind: "cancel" | "kill" | "pause" | "resume" | "purge" }>;

export const ADMIN_ROUTES: readonly Route<AdminApi>[] = [
  route("GET", "/health", ({ api }) => {
    api.core();
    return empty(200);
  }),
  route("GET", "/version", ({ api }) =>
    json(200, { version: api.version, ingress_endpoint: api.ingressUrl(), features: {} }),
  ),

  route("GET", "/invocations", listInvocations),
  route("GET", "/invocations/counts", async ({ api }) =>
    json(200, await api.core().reads.countInvocations()),
  ),
  route("GET", "/invocations/:id", describeInvocation),
  route("GET", "/invocations/:id/graph", graphOfInvocation),
  route("PATCH", "/invocations/:id/cancel", (call) => control(call, "cancel")),
  route("PATCH", "/invocations/:id/kill", (call) => control(call, "kill")),
  route("PATCH", "/invocations/:id/pause", (call) => control(call, "pause")),
  route("PATCH", "/invocations/:id/resume", (call) => control(call, "resume")),
  route("PATCH", "/invocations/:id/purge", (call) => control(call, "purge")),

  route("GET", "/services", async ({ api }) =>
    json(200, { services: await api.core().reads.listServices() }),
  ),
  route("GET", "/services/:service", describeService),
  route("GET", "/deployments", async ({ api }) =>
    json(200, { deployments: await api.core().reads.listDeployments() }),
  ),
  route("GET", "/deployments/:version", describeDeployment),
  route("DELETE", "/deployments/:version", removeDeployment),
];

async function listInvocations({ request, api }: AdminCall): Promise<Answer> {
  const { reads } = api.core();
  const { filter, page } = listRequestOf(request.query);
  const { invocations, next } = await reads.listInvocations(filter, page);
  const body: InvocationsBody = {
    invocations,
    nextCursor: next === null ? null : String(next),
  };
  return json(200, body);
}

async function describeInvocation(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const request = journalRequestOf(call.request.query);
  return orNotFound(call, await reads.describeInvocation(idOf(call), request));
}

async function graphOfInvocation(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const nodesMax = nodesMaxOf(call.request.query);
  return orNotFound(call, await reads.graphOf(idOf(call), nodesMax));
}

function idOf(call: AdminCall): InvocationIdParts {
  const text = call.part("id");
  const parts = parseInvocationId(text);
  if (parts === undefined) throw badId(text);
  return parts;
}

function orNotFound(call: AdminCall, found: object | undefined): Answer {
  if (found === undefined) throw new HttpProblem(404, notFound(call.part("id")));
  return json(200, found);
}

async function control(call: AdminCall, kind: ControlKind["kind"]): Promise<Answer> {
  const { ask } = call.api.core();
  const text = call.part("id");
  if (parseInvocationId(text) === undefined) throw badId(text);
  const invocationId = text as InvocationId; // the parser knows the form
  const response = await askOrRefuse(ask, { kind, invocationId }, call.request.signal);
  switch (response.kind) {
    case "controlled": {
      const { applied, effect } = response;
      const body: ControlBody = { invocationId, applied, effect };
      return json(applied === "now" ? 200 : 202, body);
    }
    case "refused":
      throw new HttpProblem(
        response.code,
        response.code === 404 ? notFound(text) : response.message,
      );
    case "accepted":
    case "completed":
    case "done":
      throw new Error(`the machine answered a ${kind} with "${response.kind}"`);
  }
}

async function describeService(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const name = call.part("service");
  const found = (await reads.listServices()).find((it) => it.name === name);
  if (found !== undefined) return json(200, found);
  throw new HttpProblem(404, `The requested service '${name}' does not exist`);
}

async function describeDeployment(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const version = call.part("version");
  const found = (await reads.listDeployments()).find((it) => it.version === version);
  if (found !== undefined) return json(200, found);
  throw new HttpProblem(404, `The requested deployment '${version}' does not exist`);
}

async function removeDeployment(call: AdminCall): Promise<Answer> {
  const { ask } = call.api.core();
  const version = call.part("version");
  const question = { kind: "remove-deployment", version } as const;
  const response = await askOrRefuse(ask, question, call.request.signal);
  if (response.kind === "controlled") {
    const body: RemovedBody = { effect: response.effect };
    return json(200, body);
  }
  if (response.kind !== "refused") {
    throw new Error(`the machine answered a removal with "${response.kind}"`);
  }
  if (response.code !== 404) throw new HttpProblem(response.code, response.message);
  throw new HttpProblem(404, `The requested deployment '${version}' does not exist`);
}

function notFound(id: string): string {
  return `The requested invocation '${id}' does not exist; it never did, or its retention is over`;
}

function badId(text: string): HttpProblem {
  const message = `bad invocation id '${text.slice(0, 100)}': an id looks like inv_0a1b2c... and is taken over as it was answered`;
  return new HttpProblem(400, message);
}
