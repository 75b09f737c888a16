/** The routes of the admin API that look, and the table of all. */
import { parseInvocationId } from "../../protocol/ids.ts";
import { empty, HttpProblem, json, type Answer } from "../http/answer.ts";
import { route, type Call, type Route } from "../http/route.ts";
import type { AdminApi } from "./admin.ts";
import { badId, CONTROL_ROUTES, notFound } from "./control-routes.ts";
import { journalRequestOf, listRequestOf } from "./parameters.ts";
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
  route("GET", "/invocations/:id", describeInvocation),
  ...CONTROL_ROUTES,

  route("GET", "/services", async ({ api }) =>
    json(200, { services: await api.core().reads.listServices() }),
  ),
  route("GET", "/services/:service", describeService),
  route("GET", "/deployments", async ({ api }) =>
    json(200, { deployments: await api.core().reads.listDeployments() }),
  ),
  route("GET", "/deployments/:version", describeDeployment),
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
  const text = call.part("id");
  const parts = parseInvocationId(text);
  if (parts === undefined) throw badId(text);
  const description = await reads.describeInvocation(parts, journalRequestOf(call.request.query));
  if (description === undefined) throw new HttpProblem(404, notFound(text));
  return json(200, description);
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
