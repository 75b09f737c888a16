/** All routes of the ingress, in two tables: Holdfast's own words, and the names of services. */
import type { Target } from "../../protocol/command.ts";
import { parseAwakeableId, type AwakeableId } from "../../protocol/ids.ts";
import type { InvocationRef } from "../core/input.ts";
import { HttpProblem, json, type Answer } from "../http/answer.ts";
import { route, type Call, type Route } from "../http/route.ts";
import { decodeUtf8 } from "../http/text.ts";
import { answerFor } from "./answers.ts";
import { askFor, invoke } from "./invoke.ts";
import type { IngressApi } from "./ingress.ts";
import { idempotencyRef, idRef, workflowRef } from "./refs.ts";
import { parseTargetBody, TARGET_BODY_BYTES_MAX } from "./target-body.ts";

type IngressCall = Call<IngressApi>;

export const BAD_PATH =
  "bad path, expected either /:service-name/:handler or /:object-name/:object-key/:handler";

const AWAKEABLE_REASON_BYTES_MAX = 64 * 1024;

/** First parts of paths that no service can be called by. */
const RESERVED: ReadonlySet<string> = new Set(["restate", "openapi", "holdfast"]);

export function routesFor(segments: readonly string[]): readonly Route<IngressApi>[] {
  return RESERVED.has(segments[0] ?? "") ? OWN_ROUTES : SERVICE_ROUTES;
}

const OWN_ROUTES: readonly Route<IngressApi>[] = [
  route("GET", "/restate/health", health),

  route("GET POST", "/restate/call/:service/:handler", (call) =>
    invoke(call, "call", target(call)),
  ),
  route("GET POST", "/restate/call/:service/:key/:handler", (call) =>
    invoke(call, "call", keyed(call)),
  ),
  route("GET POST", "/restate/send/:service/:handler", (call) =>
    invoke(call, "send", target(call)),
  ),
  route("GET POST", "/restate/send/:service/:key/:handler", (call) =>
    invoke(call, "send", keyed(call)),
  ),

  route("POST", "/restate/attach", async (call) => attach(call, await refInBody(call))),
  route("POST", "/restate/output", async (call) => output(call, await refInBody(call))),
  route("POST", "/restate/lookup", async (call) => lookup(call, await refInBody(call))),
  route("GET", "/restate/attach/:id", (call) => attach(call, idRef(call.part("id")))),
  route("GET", "/restate/output/:id", (call) => output(call, idRef(call.part("id")))),
  route("GET", "/restate/invocation/:id/attach", (call) => attach(call, idRef(call.part("id")))),
  route("GET", "/restate/invocation/:id/output", (call) => output(call, idRef(call.part("id")))),
  route("GET", "/restate/invocation/:service/:handler/:idempotencyKey/attach", (call) =>
    attach(call, refByKey(call, target(call))),
  ),
  route("GET", "/restate/invocation/:service/:handler/:idempotencyKey/output", (call) =>
    output(call, refByKey(call, target(call))),
  ),
  route("GET", "/restate/invocation/:service/:key/:handler/:idempotencyKey/attach", (call) =>
    attach(call, refByKey(call, keyed(call))),
  ),
  route("GET", "/restate/invocation/:service/:key/:handler/:idempotencyKey/output", (call) =>
    output(call, refByKey(call, keyed(call))),
  ),
  route("GET", "/restate/workflow/:service/:key/attach", (call) => attach(call, workflow(call))),
  route("GET", "/restate/workflow/:service/:key/output", (call) => output(call, workflow(call))),

  route("POST", "/restate/awakeables/:id/resolve", resolveAwakeable),
  route("POST", "/restate/awakeables/:id/reject", rejectAwakeable),
  route("POST", "/restate/a/:id/resolve", resolveAwakeable),
  route("POST", "/restate/a/:id/reject", rejectAwakeable),

  ...["call", "send"].flatMap((mode) => [
    route<IngressApi>("GET POST", `/restate/scope/:scope/${mode}/:service/:handler`, scoped),
    route<IngressApi>("GET POST", `/restate/scope/:scope/${mode}/:service/:key/:handler`, scoped),
  ]),
  route("GET POST", "/openapi/:anything", () => {
    throw new HttpProblem(404, "there is no OpenAPI description here; see the documentation");
  }),
];

const SERVICE_ROUTES: readonly Route<IngressApi>[] = [
  route("GET POST", "/:service/:handler", (call) => invoke(call, "call", target(call))),
  route("GET POST", "/:service/:handler/send", serviceSend),
  route("GET POST", "/:service/:key/:handler", (call) => invoke(call, "call", keyed(call))),
  route("GET POST", "/:service/:key/:handler/send", (call) => invoke(call, "send", keyed(call))),
];

/** `/Greeter/greet/send` sends to a service; `/Chat/room/send` calls a handler named "send". */
function serviceSend(call: IngressCall): Promise<Answer> {
  const { api } = call;
  const service = call.part("service");
  const handler = call.part("handler");
  const fits = service.length <= api.limits.serviceNameBytesMax;
  const kind = fits ? api.directory.kindOf(service) : undefined;
  return kind === "object" || kind === "workflow"
    ? invoke(call, "call", { service, key: handler, handler: "send" })
    : invoke(call, "send", { service, key: null, handler });
}

async function health({ api }: IngressCall): Promise<Answer> {
  return json(200, { services: await api.directory.names() });
}

function scoped(): Answer {
  throw new HttpProblem(
    400,
    "scoped invocations are not supported; call /restate/call/... or /restate/send/... without a scope",
  );
}

function target(call: IngressCall): Target {
  return { service: call.part("service"), key: null, handler: call.part("handler") };
}

function keyed(call: IngressCall): Target {
  return { service: call.part("service"), key: call.part("key"), handler: call.part("handler") };
}

function workflow(call: IngressCall): InvocationRef {
  const { limits } = call.api;
  return workflowRef({ service: call.part("service"), key: call.part("key") }, limits);
}

function refByKey(call: IngressCall, target: Target): InvocationRef {
  return idempotencyRef(target, call.part("idempotencyKey"), call.api.limits);
}

async function refInBody({ request, api }: IngressCall): Promise<InvocationRef> {
  return parseTargetBody(await request.body(TARGET_BODY_BYTES_MAX), api.limits);
}

async function attach(call: IngressCall, ref: InvocationRef): Promise<Answer> {
  return answerFor(await askFor(call, { kind: "attach", ref }));
}

async function output(call: IngressCall, ref: InvocationRef): Promise<Answer> {
  return answerFor(await askFor(call, { kind: "output", ref }));
}

/** Our ids are not computed from names but looked up, so what does not exist has none. */
async function lookup(call: IngressCall, ref: InvocationRef): Promise<Answer> {
  const response = await askFor(call, { kind: "output", ref });
  const invocationId = "invocationId" in response ? response.invocationId : null;
  return invocationId === null ? answerFor(response) : json(200, { invocationId });
}

async function resolveAwakeable(call: IngressCall): Promise<Answer> {
  const awakeableId = awakeable(call);
  const { bodyBytesMax, payloadBytesMax } = call.api.limits;
  const value = await call.request.body(Math.min(bodyBytesMax, payloadBytesMax));
  const result = { ok: true, value } as const;
  return answerFor(await askFor(call, { kind: "complete-awakeable", awakeableId, result }));
}

async function rejectAwakeable(call: IngressCall): Promise<Answer> {
  const awakeableId = awakeable(call);
  const message = decodeUtf8(await call.request.body(AWAKEABLE_REASON_BYTES_MAX));
  if (message === undefined) {
    throw new HttpProblem(400, "the reason is not UTF-8; send it as plain text in UTF-8");
  }
  const failure = { name: "TerminalError", message, code: 500 };
  const result = { ok: false, failure } as const;
  return answerFor(await askFor(call, { kind: "complete-awakeable", awakeableId, result }));
}

function awakeable(call: IngressCall): AwakeableId {
  const text = call.part("id");
  if (parseAwakeableId(text) !== undefined) return text as AwakeableId; // the parser knows the form
  const message = `bad awakeable id '${text.slice(0, 100)}': an id looks like sign_0a1b2c... and is taken over as ctx.awakeable() gave it, nothing added or left out`;
  throw new HttpProblem(400, message);
}
