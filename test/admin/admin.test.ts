import { describe, expect, test } from "vitest";
import type { Question } from "../../runtime/ask.ts";
import type { Response } from "../../runtime/core/effect.ts";
import { createAdmin } from "../../runtime/admin/admin.ts";
import type {
  AdminReads,
  DeploymentView,
  InvocationDescription,
  InvocationFilter,
  InvocationPage,
  InvocationSummary,
  JournalRequest,
  PageRequest,
  ServiceView,
  WaitGraph,
} from "../../runtime/admin/views.ts";
import { noTimeSpent } from "../../runtime/core/invocation.ts";
import type { Listening } from "../../runtime/http/listen.ts";
import { INVOCATION, send, serveApp } from "../support/scripted-core.ts";

const summary: InvocationSummary = {
  id: INVOCATION,
  target: { service: "Chat", handler: "say", key: "room" },
  status: "backing-off",
  statusSince: "2026-11-23T21:45:34.658Z",
  createdAt: "2026-11-23T21:45:30.000Z",
  completedAt: null,
  deployment: "dev",
  attempts: 2,
  failures: 2,
  lastFailure: null,
  nextRetryAt: "2026-11-23T21:45:44.658Z",
  idempotencyKey: null,
  cancelRequested: false,
};
const description: InvocationDescription = {
  ...summary,
  serviceKind: "object",
  mode: "exclusive",
  startedAt: null,
  expiresAt: null,
  parent: null,
  pauseRequested: false,
  waitsFor: [
    { kind: "retry", until: "2026-11-23T21:45:44.658Z", since: "2026-11-23T21:45:34.658Z" },
  ],
  waitsForCut: [],
  spentMs: noTimeSpent(),
  outcome: null,
  lastFailureStack: "",
  inputBytes: 2,
  journalLength: 0,
  journal: [],
};
const graph: WaitGraph = {
  nodes: [
    {
      id: INVOCATION,
      target: summary.target,
      status: "backing-off",
      statusSince: summary.statusSince,
      edges: [],
      others: description.waitsFor,
    },
  ],
  cut: false,
  cycles: [],
  waitedForBy: { parent: null, attached: [], attachedCut: false, inbox: null },
};
const service: ServiceView = {
  name: "Chat",
  kind: "object",
  deployment: "dev",
  handlers: [],
  description: "",
  metadata: {},
};
const deployment: DeploymentView = {
  version: "v 1/2",
  createdAt: "2026-11-23T21:45:30.000Z",
  services: ["Chat"],
  status: "active",
  invocations: 3,
  workers: 1,
  warning: null,
};

interface Admin extends Listening {
  readonly lists: (readonly [InvocationFilter, PageRequest])[];
  readonly journals: JournalRequest[];
  readonly graphs: number[];
  readonly asked: Question[];
}

interface Script {
  readonly starting?: boolean;
  readonly page?: InvocationPage;
  readonly described?: InvocationDescription | undefined;
  readonly answer?: Response;
  readonly hosts?: readonly string[];
}

async function startAdmin(script: Script = {}): Promise<Admin> {
  const lists: (readonly [InvocationFilter, PageRequest])[] = [];
  const journals: JournalRequest[] = [];
  const graphs: number[] = [];
  const asked: Question[] = [];
  const reads: AdminReads = {
    listInvocations: (filter, page) => {
      lists.push([filter, page]);
      return Promise.resolve(script.page ?? { invocations: [summary], next: null });
    },
    describeInvocation: (_id, journal) => {
      journals.push(journal);
      return Promise.resolve("described" in script ? script.described : description);
    },
    graphOf: (_id, nodesMax) => {
      graphs.push(nodesMax);
      return Promise.resolve("described" in script ? undefined : graph);
    },
    countInvocations: () => Promise.resolve({ open: 7, pinned: { dev: 3 } }),
    listServices: () => Promise.resolve([service]),
    listDeployments: () => Promise.resolve([deployment]),
  };
  const ask = (question: Question): Promise<Response> => {
    asked.push(question);
    return script.answer === undefined
      ? Promise.reject(new Error("stopping"))
      : Promise.resolve(script.answer);
  };
  const app = createAdmin({
    core: () => (script.starting ? undefined : { ask, reads }),
    version: "1.2.3",
    ingressUrl: () => "http://127.0.0.1:8080",
    hosts: script.hosts ?? [],
    onError: (error) => {
      throw error;
    },
  });
  return { ...(await serveApp(app)), lists, journals, graphs, asked };
}

describe("health and version", () => {
  test("a runtime that has recovered is healthy, without a word", async () => {
    const answer = await send(await startAdmin(), "/health");
    expect([answer.status, answer.body]).toEqual([200, ""]);
  });

  test("until recovery is done everything but the version is a 503", async () => {
    const admin = await startAdmin({ starting: true });
    for (const path of ["/health", "/invocations", `/invocations/${INVOCATION}`, "/services"]) {
      const answer = await send(admin, path);
      expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
      expect(answer.json()).toEqual({
        message: "the runtime is starting: recovery is not done. Retry in a moment.",
        restate_code: null,
      });
    }
    const kill = await send(admin, `/invocations/${INVOCATION}/kill`, { method: "PATCH" });
    expect(kill.status).toBe(503);
    expect((await send(admin, "/version")).status).toBe(200);
  });

  test("the version says where the ingress is", async () => {
    expect((await send(await startAdmin(), "/version")).json()).toEqual({
      version: "1.2.3",
      ingress_endpoint: "http://127.0.0.1:8080",
      features: {},
    });
  });
});

describe("lists of invocations", () => {
  test("without parameters: all, in pages of a hundred", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, "/invocations");
    expect([answer.status, answer.json()]).toEqual([
      200,
      { invocations: [summary], nextCursor: null },
    ]);
    expect(admin.lists).toEqual([[{ statuses: [] }, { limit: 100, after: null }]]);
  });

  test("by service, handler, key, deployment and status", async () => {
    const admin = await startAdmin();
    await send(
      admin,
      "/invocations?service=Chat&handler=say&key=a%2Fb%20c&deployment=v1&status=running,paused&status=backing-off",
    );
    expect(admin.lists[0]?.[0]).toEqual({
      service: "Chat",
      handler: "say",
      key: "a/b c",
      deployment: "v1",
      statuses: ["running", "paused", "backing-off"],
    });
  });

  test("are counted without being read", async () => {
    const answer = await send(await startAdmin(), "/invocations/counts");
    expect([answer.status, answer.json()]).toEqual([200, { open: 7, pinned: { dev: 3 } }]);
  });

  test("a cursor leads to the next page", async () => {
    const admin = await startAdmin({ page: { invocations: [], next: 4_711 } });
    const first = (await send(admin, "/invocations?limit=5")).json() as { nextCursor: string };
    expect(first.nextCursor).toBe("4711");
    await send(admin, `/invocations?limit=5&cursor=${first.nextCursor}`);
    expect(admin.lists.map(([, page]) => page)).toEqual([
      { limit: 5, after: null },
      { limit: 5, after: 4_711 },
    ]);
  });

  test.each([
    ["limit=0", /'limit' is a whole number from 1 to 1000/],
    ["limit=1001", /from 1 to 1000/],
    ["limit=ten", /from 1 to 1000/],
    ["limit=", /from 1 to 1000/],
    ["limit=1e2", /from 1 to 1000/],
    ["cursor=x", /'cursor' is what the page before gave as nextCursor/],
    ["cursor=-1", /nextCursor/],
    ["cursor=281474976710655", /nextCursor/],
    ["status=dead", /there is no status 'dead'; there are scheduled, inboxed, ready, running,/],
    ["status=constructor", /there is no status 'constructor'/],
    ["status=", /there is no status ''/],
    ["state=running", /there is no parameter 'state'; there are service, handler, key, status,/],
  ])("?%s is refused", async (query, message) => {
    const admin = await startAdmin();
    const answer = await send(admin, `/invocations?${query}`);
    expect([answer.status, answer.json()]).toEqual([
      400,
      { message: expect.stringMatching(message), restate_code: null },
    ]);
    expect(admin.lists).toEqual([]);
  });
});

describe("one invocation", () => {
  test("is described with the last hundred entries of its journal", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, `/invocations/${INVOCATION}`);
    expect([answer.status, answer.json()]).toEqual([200, description]);
    expect(admin.journals).toEqual([{ from: null, limit: 100 }]);
  });

  test("or with those that are asked for", async () => {
    const admin = await startAdmin();
    await send(admin, `/invocations/${INVOCATION}?journalFrom=50&journalLimit=10`);
    expect(admin.journals).toEqual([{ from: 50, limit: 10 }]);
    const refused = await send(admin, `/invocations/${INVOCATION}?journalLimit=10001`);
    expect(refused.status).toBe(400);
  });

  test("has a graph of waits, of two hundred invocations unless more are asked for", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, `/invocations/${INVOCATION}/graph`);
    expect([answer.status, answer.json()]).toEqual([200, graph]);
    await send(admin, `/invocations/${INVOCATION}/graph?limit=1000`);
    expect((await send(admin, `/invocations/${INVOCATION}/graph?limit=1001`)).status).toBe(400);
    expect(admin.graphs).toEqual([200, 1_000]);
  });

  test("that is not there is a 404, one that has no id a 400", async () => {
    const admin = await startAdmin({ described: undefined });
    const unknown = await send(admin, `/invocations/${INVOCATION}`);
    expect([unknown.status, unknown.json()]).toEqual([
      404,
      {
        message: `The requested invocation '${INVOCATION}' does not exist; it never did, or its retention is over`,
        restate_code: null,
      },
    ]);
    expect((await send(admin, `/invocations/${INVOCATION}/graph`)).status).toBe(404);
    expect((await send(admin, "/invocations/inv_garbage")).status).toBe(400);
    expect((await send(admin, "/invocations/inv_garbage/graph")).status).toBe(400);
    expect((await send(admin, "/invocations/%ff")).status).toBe(400);
  });
});

describe("taking hold of an invocation", () => {
  const actions = ["cancel", "kill", "pause", "resume", "purge"] as const;

  test.each(actions)("%s asks the machine, and says what will happen", async (kind) => {
    const answer: Response = { kind: "controlled", applied: "now", effect: "it was running" };
    const admin = await startAdmin({ answer });
    const taken = await send(admin, `/invocations/${INVOCATION}/${kind}`, { method: "PATCH" });
    expect([taken.status, taken.json()]).toEqual([
      200,
      { invocationId: INVOCATION, applied: "now", effect: "it was running" },
    ]);
    expect(admin.asked).toEqual([{ kind, invocationId: INVOCATION }]);
  });

  test("what is appended and not yet done is a 202", async () => {
    const answer: Response = { kind: "controlled", applied: "appended", effect: "soon" };
    const admin = await startAdmin({ answer });
    const taken = await send(admin, `/invocations/${INVOCATION}/cancel`, { method: "PATCH" });
    expect(taken.status).toBe(202);
  });

  test.each([
    [404, "invocation not found", /^The requested invocation 'inv_.*' does not exist/],
    [409, "the invocation has already completed", /^the invocation has already completed$/],
  ])("a refusal with %i", async (code, message, shown) => {
    const invocationId = code === 404 ? null : INVOCATION;
    const answer: Response = { kind: "refused", code, message, invocationId, source: "ingress" };
    const admin = await startAdmin({ answer });
    const refused = await send(admin, `/invocations/${INVOCATION}/kill`, { method: "PATCH" });
    expect([refused.status, refused.json()]).toEqual([
      code,
      { message: expect.stringMatching(shown), restate_code: null },
    ]);
  });

  test("what is no id, or asked by another method, asks nothing", async () => {
    const admin = await startAdmin({ answer: { kind: "done" } });
    expect((await send(admin, "/invocations/x/cancel", { method: "PATCH" })).status).toBe(400);
    const wrong = await send(admin, `/invocations/${INVOCATION}/cancel`, { method: "POST" });
    expect([wrong.status, wrong.headers["allow"]]).toEqual([405, "PATCH"]);
    expect(admin.asked).toEqual([]);
  });

  test("a runtime that stops first is a 503", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, `/invocations/${INVOCATION}/cancel`, { method: "PATCH" });
    expect(answer.status).toBe(503);
  });
});

describe("services and deployments", () => {
  test("are listed, and found by their names", async () => {
    const admin = await startAdmin();
    expect((await send(admin, "/services")).json()).toEqual({ services: [service] });
    expect((await send(admin, "/services/Chat")).json()).toEqual(service);
    expect((await send(admin, "/deployments")).json()).toEqual({ deployments: [deployment] });
    expect((await send(admin, "/deployments/v%201%2F2")).json()).toEqual(deployment);
  });

  test("that are not there are a 404", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, "/services/Nope");
    expect([answer.status, answer.json()]).toEqual([
      404,
      { message: "The requested service 'Nope' does not exist", restate_code: null },
    ]);
    expect((await send(admin, "/deployments/Nope")).status).toBe(404);
  });
});

describe("removing a deployment", () => {
  const path = "/deployments/v%201%2F2";

  test("asks the machine, and says what has happened", async () => {
    const answer: Response = { kind: "controlled", applied: "now", effect: "it is forgotten" };
    const admin = await startAdmin({ answer });
    const removed = await send(admin, path, { method: "DELETE" });
    expect([removed.status, removed.json()]).toEqual([200, { effect: "it is forgotten" }]);
    expect(admin.asked).toEqual([{ kind: "remove-deployment", version: "v 1/2" }]);
  });

  test.each([
    [404, "deployment not found", "The requested deployment 'v 1/2' does not exist"],
    [409, "the deployment 'v 1/2' is not drained", "the deployment 'v 1/2' is not drained"],
  ])("a refusal with %i", async (code, message, shown) => {
    const source = "ingress";
    const answer: Response = { kind: "refused", code, message, invocationId: null, source };
    const removed = await send(await startAdmin({ answer }), path, { method: "DELETE" });
    expect([removed.status, removed.json()]).toEqual([
      code,
      { message: shown, restate_code: null },
    ]);
  });
});

describe("who may ask", () => {
  test.each([
    "127.0.0.1",
    "127.0.0.1:9070",
    "192.168.1.7:9070",
    "[::1]:9070",
    "localhost",
    "LOCALHOST:9070",
    "localhost.:9070",
    "admin.localhost",
    "runtime.internal:9070",
  ])("a request for %s is served", async (host) => {
    const admin = await startAdmin({ hosts: ["Runtime.internal"] });
    expect((await send(admin, "/services", { headers: { host } })).status).toBe(200);
  });

  test.each([
    "evil.example",
    "evil.example:9070",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "notlocalhost",
  ])("a request for %j is refused: the name may be anybody's", async (host) => {
    const admin = await startAdmin({ answer: { kind: "done" } });
    const path = `/invocations/${INVOCATION}/kill`;
    const answer = await send(admin, path, { method: "PATCH", headers: { host } });
    expect(answer.status).toBe(403);
    expect(answer.json()).toMatchObject({ message: expect.stringContaining("--admin-hosts") });
    expect(admin.asked).toEqual([]);
  });

  test("a page of another site is refused", async () => {
    const admin = await startAdmin();
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    expect((await send(admin, "/invocations", { headers })).status).toBe(403);
    const method = "OPTIONS";
    const asksFirst = { origin: "http://localhost:3000", "access-control-request-method": "PATCH" };
    const path = `/invocations/${INVOCATION}/kill`;
    const answer = await send(admin, path, { method, headers: asksFirst });
    expect(answer.status).toBe(405);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });
});

test("what is not there says what is", async () => {
  const answer = await send(await startAdmin(), "/query");
  expect([answer.status, answer.json()]).toEqual([
    404,
    {
      message: "there is nothing at '/query'; try /invocations, /services or /deployments",
      restate_code: null,
    },
  ]);
});
