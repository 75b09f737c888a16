/** Idempotency keys and who attaches by them, from outside: while the first runs, ended, never used. */
import { describe, expect, test } from "vitest";
import { until } from "./support/ingress.ts";
import { get, idOf, post } from "./support/sample-runtime.ts";

describe("idempotency keys", () => {
  test("a second call reads the first one's result back", async () => {
    const key = { "idempotency-key": "call 1" };
    const first = await post("/Greeter/greet", "Ann", key);
    const second = await post("/Greeter/greet", "Ann", key);
    expect([second.status, second.body, idOf(second)]).toEqual([200, first.body, idOf(first)]);
    expect(first.headers).not.toHaveProperty("idempotency-expires");
    expect(second.headers).toHaveProperty("idempotency-expires");
  });

  test("a second send names the first", async () => {
    const key = { "idempotency-key": "send/1" };
    const first = await post("/Greeter/greet/send", "Ann", key);
    const second = await post("/Greeter/greet/send", "Ann", key);
    expect(second.json()).toEqual({ invocationId: idOf(first), status: "PreviouslyAccepted" });
    const attached = await get("/restate/invocation/Greeter/greet/send%2F1/attach");
    expect([attached.json(), idOf(attached)]).toEqual(["Hello Ann!", idOf(first)]);
    const target = { target: "idempotentInvocation", service: "Greeter", handler: "greet" };
    const body = { ...target, idempotencyKey: "send/1" };
    expect((await post("/restate/output", body)).json()).toBe("Hello Ann!");
    expect((await post("/restate/lookup", body)).json()).toEqual({ invocationId: idOf(first) });
  });

  test("of a call that failed give the same failure, by every way to it", async () => {
    const key = { "idempotency-key": "fails/1" };
    const thrown = { message: "bad thing", errorCode: 418 };
    const first = await post("/Greeter/fail", thrown, key);
    const failure = { code: 418, message: "bad thing", source: "invocation" };
    expect([first.status, first.json()]).toEqual([418, failure]);
    expect(first.headers).not.toHaveProperty("idempotency-expires");
    const byKey = "/restate/invocation/Greeter/fail/fails%2F1";
    const target = { target: "idempotentInvocation", service: "Greeter", handler: "fail" };
    const body = { ...target, idempotencyKey: "fails/1" };
    for (const answer of [
      await post("/Greeter/fail", thrown, key),
      await get(`${byKey}/attach`),
      await get(`${byKey}/output`),
      await get(`/restate/attach/${idOf(first)}`),
      await get(`/restate/output/${idOf(first)}`),
      await get(`/restate/invocation/${idOf(first)}/attach`),
      await post("/restate/attach", body),
      await post("/restate/output", { target: "invocation", invocationId: idOf(first) }),
    ]) {
      expect([answer.status, answer.json(), idOf(answer)]).toEqual([418, failure, idOf(first)]);
      expect(answer.headers).toHaveProperty("idempotency-expires");
    }
  });

  test("count per handler and per key of an object", async () => {
    const key = { "idempotency-key": "scope" };
    const ids = [];
    for (const path of ["/Chat/a/key", "/Chat/b/key", "/Chat/a/send"]) {
      ids.push(idOf(await post(path, null, key)));
    }
    expect(new Set(ids).size).toBe(3);
    for (const [at, path] of ["a/key", "b/key", "a/send"].entries()) {
      const found = await get(`/restate/invocation/Chat/${path}/scope/attach`);
      expect(idOf(found)).toBe(ids[at]);
    }
    // A service has no key; an object that is asked for without one has nothing.
    expect((await get("/restate/invocation/Chat/key/scope/output")).status).toBe(404);
  });

  test("while the first runs, an output is a 470 with its id, and calls wait for it", async () => {
    const key = { "idempotency-key": "runs" };
    const sent = await post("/Chat/waits/approve/send", null, key);
    const byKey = "/restate/invocation/Chat/waits/approve/runs";
    const output = await get(`${byKey}/output`);
    expect([output.status, idOf(output)]).toEqual([470, idOf(sent)]);
    const waiting = [post("/Chat/waits/approve", null, key), get(`${byKey}/attach`)];
    const id = await until(
      async () => (await get("/Chat/waits/approval")).json(),
      (it) => it !== null,
    );
    await post(`/restate/a/${String(id)}/resolve`, "yes");
    for (const answer of await Promise.all(waiting)) {
      expect([answer.json(), idOf(answer)]).toEqual(["yes", idOf(sent)]);
      expect(answer.headers).not.toHaveProperty("idempotency-expires");
    }
  });

  test.each(["attach", "output", "lookup"])(
    "%s of a key that was never used is a 404",
    async (ask) => {
      const target = { target: "idempotentInvocation", service: "Greeter", handler: "greet" };
      const answer = await post(`/restate/${ask}`, { ...target, idempotencyKey: "never" });
      expect([answer.status, answer.json()]).toEqual([
        404,
        { code: 404, message: "invocation not found", source: "ingress" },
      ]);
    },
  );

  test("with another payload it is a mistake", async () => {
    const key = { "idempotency-key": "call 2" };
    await post("/Greeter/greet", "Ann", key);
    const second = await post("/Greeter/greet", "Bob", key);
    expect([second.status, second.json()]).toMatchObject([422, { code: 422, source: "ingress" }]);
  });

  test("a workflow has its own key and takes no other", async () => {
    const answer = await post("/Signup/x/run", "x", { "idempotency-key": "k" });
    expect([answer.status, answer.json()]).toEqual([
      400,
      {
        code: 400,
        message:
          "cannot use the idempotency key with workflow handlers. The handler invocation will already be idempotent by the workflow key itself.",
        source: "ingress",
      },
    ]);
  });
});
