import { describe, expect, test } from "vitest";
import type { Response } from "../../runtime/core/effect.ts";
import { INVOCATION, send } from "../support/scripted-core.ts";
import { startAdmin } from "./scripted-admin.ts";

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
