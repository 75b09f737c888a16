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
} from "../../runtime/admin/views.ts";
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
  waitsFor: [{ kind: "retry", until: "2026-11-23T21:45:44.658Z" }],
  outcome: null,
  lastFailureStack: "",
  inputBytes: 2,
  journalLength: 0,
  journal: [],
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
  workers: 1,
};

interface Admin extends Listening {
  readonly lists: (readonly [InvocationFilter, PageRequest])[];
  readonly journals: JournalRequest[];
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
    listServices: () => Promise.resolve([service]),
    listDeployments: () => Promise.resolve([deployment]),
    listPauses: () =>
      Promise.resolve([{ service: "Chat", key: "room", since: "2026-11-23T21:45:34.658Z" }]),
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
  return { ...(await serveApp(app)), lists, journals, asked };
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

  test("by service, handler, key and status", async () => {
    const admin = await startAdmin();
    await send(
      admin,
      "/invocations?service=Chat&handler=say&key=a%2Fb%20c&status=running,paused&status=backing-off",
    );
    expect(admin.lists[0]?.[0]).toEqual({
      service: "Chat",
      handler: "say",
      key: "a/b c",
      statuses: ["running", "paused", "backing-off"],
    });
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
  test("is described with the first thousand entries of its journal", async () => {
    const admin = await startAdmin();
    const answer = await send(admin, `/invocations/${INVOCATION}`);
    expect([answer.status, answer.json()]).toEqual([200, description]);
    expect(admin.journals).toEqual([{ from: 0, limit: 1_000 }]);
  });

  test("or with those that are asked for", async () => {
    const admin = await startAdmin();
    await send(admin, `/invocations/${INVOCATION}?journalFrom=50&journalLimit=10`);
    expect(admin.journals).toEqual([{ from: 50, limit: 10 }]);
    const refused = await send(admin, `/invocations/${INVOCATION}?journalLimit=10001`);
    expect(refused.status).toBe(400);
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
    expect((await send(admin, "/invocations/inv_garbage")).status).toBe(400);
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

describe("taking hold of many invocations", () => {
  const patch = { method: "PATCH" } as const;
  const answer: Response = { kind: "controlled", applied: "appended", effect: "soon" };

  test("asks for each that matches, and counts what came of it", async () => {
    const admin = await startAdmin({ answer });
    const taken = await send(admin, "/invocations/cancel?service=Chat&key=room", patch);
    expect([taken.status, taken.json()]).toEqual([
      200,
      { matched: 1, applied: 0, appended: 1, refused: 0, nextCursor: null },
    ]);
    expect(admin.asked).toEqual([{ kind: "cancel", invocationId: INVOCATION }]);
    const [filter] = admin.lists[0] ?? [];
    expect(filter).toMatchObject({ service: "Chat", key: "room" });
    expect(filter?.statuses).not.toContain("completed");
  });

  test("by default in those statuses where it can do something", async () => {
    const admin = await startAdmin({ answer });
    await send(admin, "/invocations/purge?service=Chat", patch);
    await send(admin, "/invocations/resume?service=Chat&deployment=latest", patch);
    await send(admin, "/invocations/kill?service=Chat&status=paused", patch);
    expect(admin.lists.map(([filter]) => filter.statuses)).toEqual([
      ["completed"],
      ["scheduled", "inboxed", "backing-off", "paused"],
      ["paused"],
    ]);
    expect(admin.asked[1]).toMatchObject({ kind: "resume", deployment: "latest" });
  });

  test("stops at its limit, and says where the next request goes on", async () => {
    const page = { invocations: [summary], next: 42 };
    const admin = await startAdmin({ answer, page });
    const taken = await send(admin, "/invocations/pause?service=Chat&limit=3", patch);
    expect(taken.json()).toMatchObject({ matched: 3, nextCursor: "42" });
    expect(admin.lists.map(([, { after }]) => after)).toEqual([null, 42, 42]);
    expect(admin.lists.map(([, { limit }]) => limit)).toEqual([3, 2, 1]);
    await send(admin, "/invocations/pause?service=Chat&limit=1&cursor=42", patch);
    expect(admin.lists.at(-1)?.[1]).toEqual({ limit: 1, after: 42 });
  });

  test("counts those that had ended in between", async () => {
    const gone: Response = {
      kind: "refused",
      code: 409,
      message: "the invocation has already completed",
      invocationId: INVOCATION,
      source: "ingress",
    };
    const admin = await startAdmin({ answer: gone });
    const taken = await send(admin, "/invocations/kill?key=room", patch);
    expect(taken.json()).toMatchObject({ matched: 1, applied: 0, refused: 1 });
  });

  test.each([
    ["/invocations/kill", /say which invocations are meant/],
    ["/invocations/kill?limit=10", /say which invocations are meant/],
    ["/invocations/kill?services=Chat", /no parameter 'services'/],
    ["/invocations/kill?service=Chat&limit=10001", /'limit' is a whole number from 1 to 10000/],
    ["/invocations/kill?service=Chat&deployment=latest", /no parameter 'deployment'/],
    [`/invocations/${INVOCATION}/kill?force=1`, /no parameter 'force'/],
  ])("asks nothing when it is unclear what is meant: %s", async (path, message) => {
    const admin = await startAdmin({ answer });
    const refused = await send(admin, path, patch);
    expect([refused.status, refused.json()]).toMatchObject([
      400,
      { message: expect.stringMatching(message) },
    ]);
    expect(admin.asked).toEqual([]);
  });
});

describe("taking hold of a key and of a service", () => {
  const answer: Response = { kind: "controlled", applied: "now", effect: "the key is paused" };

  test.each(["pause", "resume"] as const)("%s", async (verb) => {
    const admin = await startAdmin({ answer });
    const key = await send(admin, `/services/Chat/keys/a%2Fb/${verb}`, { method: "PATCH" });
    const service = await send(admin, `/services/Chat/${verb}`, { method: "PATCH" });
    expect([key.status, key.json()]).toEqual([
      200,
      { service: "Chat", key: "a/b", effect: "the key is paused" },
    ]);
    expect(service.json()).toMatchObject({ service: "Chat", key: null });
    expect(admin.asked).toEqual([
      { kind: `${verb}-key`, service: "Chat", key: "a/b" },
      { kind: `${verb}-service`, service: "Chat" },
    ]);
  });

  test("a refusal is passed on", async () => {
    const message = "service 'Chat' not found";
    const refusal = { kind: "refused", code: 404, message, source: "ingress" } as const;
    const admin = await startAdmin({ answer: { ...refusal, invocationId: null } });
    const refused = await send(admin, "/services/Chat/pause", { method: "PATCH" });
    expect([refused.status, refused.json()]).toMatchObject([404, { message }]);
  });

  test("those that are paused are listed", async () => {
    const answered = await send(await startAdmin(), "/pauses");
    expect(answered.json()).toEqual({
      pauses: [{ service: "Chat", key: "room", since: "2026-11-23T21:45:34.658Z" }],
    });
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
