import { describe, expect, test } from "vitest";
import type { Response } from "../../runtime/core/effect.ts";
import { INVOCATION, send } from "../support/scripted-core.ts";
import { deployment, description, graph, service, startAdmin, summary } from "./scripted-admin.ts";

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
    expect([answer.status, answer.json()]).toEqual([
      200,
      { open: 7, pinned: { dev: 3 }, quarantined: 0 },
    ]);
  });

  test("a cursor leads to the next page", async () => {
    const admin = await startAdmin({ page: { invocations: [], quarantined: [], next: 4_711 } });
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
    const page = { invocations: [summary], quarantined: [], next: 42 };
    const admin = await startAdmin({ answer, page });
    const taken = await send(admin, "/invocations/pause?service=Chat&limit=3", patch);
    expect(taken.json()).toMatchObject({ matched: 3, nextCursor: "42" });
    expect(admin.lists.map(([, { after }]) => after)).toEqual([null, 42, 42]);
    expect(admin.lists.map(([, { limit }]) => limit)).toEqual([3, 2, 1]);
    await send(admin, "/invocations/pause?service=Chat&limit=1&cursor=42", patch);
    expect(admin.lists.at(-1)?.[1]).toEqual({ limit: 1, after: 42 });
  });

  // They shared the request's signal: 64 listeners on it made Node warn of a leak.
  test("asks for each on its own", async () => {
    const page = { invocations: [summary, summary, summary], quarantined: [], next: null };
    const admin = await startAdmin({ answer, page });
    await send(admin, "/invocations/pause?service=Chat", patch);
    expect(new Set(admin.signals).size).toBe(3);
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
