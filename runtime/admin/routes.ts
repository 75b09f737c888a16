/** The routes of the admin API that look, and the table of all. */
import { parseInvocationId, type InvocationIdParts } from "../../protocol/ids.ts";
import { empty, HttpProblem, json, type Answer } from "../http/answer.ts";
import { route, type Call, type Route } from "../http/route.ts";
import type { AdminApi } from "./admin.ts";
import { badId, CONTROL_ROUTES, notFound } from "./control-routes.ts";
import { QuarantinedError } from "./damage.ts";
import { removeDeployment } from "./remove-deployment.ts";
import { journalRequestOf, listRequestOf, nodesMaxOf } from "./parameters.ts";
import type { InvocationsBody } from "./views.ts";

type AdminCall = Call<AdminApi>;

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
  ...CONTROL_ROUTES,

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
  const { invocations, quarantined, next } = await reads.listInvocations(filter, page);
  const body: InvocationsBody = {
    invocations,
    ...(quarantined.length === 0 ? {} : { quarantined }),
    nextCursor: next === null ? null : String(next),
  };
  return json(200, body);
}

async function describeInvocation(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const request = journalRequestOf(call.request.query);
  return orNotFound(call, () => reads.describeInvocation(idOf(call), request));
}

async function graphOfInvocation(call: AdminCall): Promise<Answer> {
  const { reads } = call.api.core();
  const nodesMax = nodesMaxOf(call.request.query);
  return orNotFound(call, () => reads.graphOf(idOf(call), nodesMax));
}

function idOf(call: AdminCall): InvocationIdParts {
  const text = call.part("id");
  const parts = parseInvocationId(text);
  if (parts === undefined) throw badId(text);
  return parts;
}

async function orNotFound(
  call: AdminCall,
  find: () => Promise<object | undefined>,
): Promise<Answer> {
  const found = await find().catch((error: unknown) => {
    if (error instanceof QuarantinedError) throw new HttpProblem(500, error.message);
    throw error;
  });
  if (found === undefined) throw new HttpProblem(404, notFound(call.part("id")));
  return json(200, found);
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
