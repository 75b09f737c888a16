/** The client: what it promises over HTTP it promises in the runtime's own process too. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serde } from "holdfast";
import { connect, HttpCallError, Opts, SendOpts, type Ingress } from "holdfast/client";
import { startRuntime, type Runtime } from "holdfast/runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "./support/ingress.ts";
import { chat, greeter, signup } from "./support/sample-services.ts";

let dataDir: string;
let runtime: Runtime;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-client-"));
  runtime = await startRuntime({
    dataDir,
    ingressPort: 0,
    adminPort: false,
    workerPort: false,
    services: [greeter, chat, signup],
    logLevel: "silent",
    limits: { bodyBytesMax: 1_000, delayMsMax: 86_400_000 },
  });
});
afterAll(async () => {
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const WAYS: readonly (readonly [string, (headers?: Record<string, string>) => Ingress])[] = [
  ["over HTTP", (headers = {}) => connect({ url: runtime.ingressUrl, headers })],
  ["in the process", (headers = {}) => connect({ runtime, headers })],
];

describe.each(WAYS)("%s", (way, open) => {
  const client = (): Ingress => open();
  const greet = (name: string): Promise<string> => client().serviceClient(greeter).greet(name);

  test("services, objects and workflows answer", async () => {
    expect(await greet("Ann")).toBe("Hello Ann!");
    expect(await client().serviceClient(greeter).nothing()).toBeUndefined();
    expect(await client().objectClient(chat, "room").send()).toBe("sent in room");
    const ann = client().workflowClient(signup, `ann ${way}`);
    expect(await ann.workflowSubmit("Ann")).toMatchObject({ status: "Accepted", attachable: true });
    expect((await ann.workflowOutput()).ready).toBe(false);
    await ann.confirm();
    expect(await ann.workflowAttach()).toBe("Ann confirmed");
    expect((await ann.workflowOutput()).result).toBe("Ann confirmed");
  });

  test.each(["a/b", "100%", "a b", "ü☂", "?x=1", "#", "a%2Fb", "+"])("key %j", async (key) => {
    expect(await client().objectClient(chat, key).key()).toBe(key);
  });

  test("bytes go and come as they are", async () => {
    const sent = Uint8Array.of(0, 255, 10, 13);
    const answer = client().serviceClient(greeter).bytes(sent);
    sent.fill(7);
    const got = await answer;
    expect(got).toEqual(Uint8Array.of(0, 255, 10, 13));
  });

  test("calls by name, with a serde of their own", async () => {
    const service = "Greeter";
    expect(await client().call({ service, handler: "greet", parameter: "Bob" })).toBe("Hello Bob!");
    const opts = { input: serde.binary, output: serde.binary };
    const parameter = Uint8Array.of(1, 2);
    expect(await client().call({ service, handler: "bytes", parameter, opts })).toEqual(parameter);
    const sent = await client().send({
      service: "Chat",
      key: "k",
      handler: "key",
      parameter: null,
    });
    expect(await client().result(sent)).toBe("k");
  });

  test("sends are accepted, found again by their idempotency key, and have results", async () => {
    const sender = client().serviceSendClient(greeter);
    const options = SendOpts.from<string>({ idempotencyKey: `send ${way}`, delay: { seconds: 0 } });
    const first = await sender.greet("Ann", options);
    expect(first).toMatchObject({ status: "Accepted", attachable: true });
    expect(await client().result(first)).toBe("Hello Ann!");
    const { invocationId } = first;
    const again = { invocationId, status: "PreviouslyAccepted" };
    expect(await sender.greet("Ann", options)).toMatchObject(again);
    const other = sender.greet("Bob", options);
    await expect(other).rejects.toMatchObject({ name: "HttpCallError", status: 422 });
  });

  test("calls with one idempotency key are one invocation", async () => {
    const call = (): Promise<unknown> =>
      client()
        .objectClient(chat, "once")
        .key(Opts.from({ idempotencyKey: `call ${way}` }));
    expect(await Promise.all([call(), call()])).toEqual(["once", "once"]);
  });

  test("headers reach the handler, trimmed and in lower case, secrets left out", async () => {
    const headers = { "X-One": " 1 ", authorization: "secret" };
    const given = Opts.from<undefined, Record<string, string>>({ headers: { "x-two": "2" } });
    const seen = await open(headers).serviceClient(greeter).headers(given);
    expect(seen).toMatchObject({ "x-one": "1", "x-two": "2" });
    expect(seen["x-restate-ingress-path"]).toBe("/Greeter/headers");
    expect(seen).not.toHaveProperty("authorization");
  });

  test("awakeables are resolved and rejected", async () => {
    const approve = async (key: string): Promise<[Promise<string>, string]> => {
      const room = client().objectClient(chat, `${key} ${way}`);
      const approved = room.approve();
      const id = await idOf(room);
      return [approved, id];
    };
    const [yes, yesId] = await approve("yes");
    await client().resolveAwakeable(yesId, "fine");
    expect(await yes).toBe("fine");
    const [no, noId] = await approve("no");
    await client().rejectAwakeable(noId, "not fine");
    await expect(no).rejects.toThrow(/not fine/);
  });

  const FAILURES: [string, number, string, () => Promise<unknown>][] = [
    ["a failure of the handler", 418, "tea", () => fail({ message: "tea", errorCode: 418 })],
    ["a service that is not there", 404, "Nobody", () => call({ service: "Nobody" })],
    ["a handler that is not there", 404, "nothere", () => call({ handler: "nothere" })],
    ["a private handler", 400, "not public", () => call({ handler: "secret" })],
    ["an object without its key", 400, "key", () => call({ service: "Chat", handler: "key" })],
    ["a service with a key", 400, "is a service", () => call({ key: "k" })],
    [
      "input of the wrong type",
      400,
      "",
      () => call({ opts: { input: serde.binary }, parameter: Uint8Array.of(1) }),
    ],
    ["a body that is too large", 413, "larger than 1000 bytes", () => greet("x".repeat(1_001))],
    [
      "a key that is too long",
      400,
      "keyBytesMax is 512",
      () => client().objectClient(chat, "k".repeat(513)).key(),
    ],
    [
      "an idempotency key that is too long",
      400,
      "idempotencyKeyBytesMax",
      () => call({ opts: { idempotencyKey: "k".repeat(257) } }),
    ],
    [
      "a header outside ASCII",
      400,
      "outside ASCII",
      () => call({ opts: { headers: { "x-name": "é" } } }),
    ],
    [
      "a delay beyond the limit",
      400,
      "delayMsMax",
      () =>
        client()
          .serviceSendClient(greeter)
          .greet("x", SendOpts.from<string>({ delay: { days: 2 } })),
    ],
    [
      "too many headers",
      431,
      "more than 64 headers",
      () => call({ opts: { headers: manyHeaders(70, 1) } }),
    ],
    ["headers that are too long", 431, "", () => call({ opts: { headers: manyHeaders(40, 450) } })],
    [
      "an invocation that is not there",
      404,
      "",
      () => client().result({ invocationId: UNKNOWN_INVOCATION }),
    ],
    [
      "an id that is none",
      400,
      "bad invocation id",
      () => client().result({ invocationId: "inv_x" }),
    ],
    [
      "an awakeable that is none",
      400,
      "bad awakeable id",
      () => client().resolveAwakeable("sign_x"),
    ],
  ];

  test.each(FAILURES)("%s is a %i", async (_what, status, text, act) => {
    const error = await act().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(HttpCallError);
    const { status: got, responseText } = error as HttpCallError;
    expect([got, responseText]).toEqual([status, expect.stringContaining(text)]);
    const { message, source } = JSON.parse(responseText) as Record<string, unknown>;
    expect([typeof message, source]).toEqual([
      "string",
      expect.stringMatching(/^(ingress|invocation)$/),
    ]);
  });

  test("what no header can carry is a TypeError", async () => {
    await expect(call({ opts: { headers: { "x y": "1" } } })).rejects.toThrow(TypeError);
    await expect(call({ opts: { idempotencyKey: "a\nb" } })).rejects.toThrow(TypeError);
    await expect(call({ opts: { idempotencyKey: "☂" } })).rejects.toThrow(TypeError);
  });

  test("who gives up is told why, and what was accepted goes on", async () => {
    const room = client().objectClient(chat, `abort ${way}`);
    const leaving = new AbortController();
    const approved = room.approve(Opts.from<undefined, string>({ signal: leaving.signal }));
    const id = await idOf(room);
    const reason = new Error("enough");
    leaving.abort(reason);
    await expect(approved).rejects.toBe(reason);
    await client().resolveAwakeable(id, "late");
    expect(await room.key()).toBe(`abort ${way}`);
    const gone = { signal: AbortSignal.abort(reason) };
    await expect(call({ opts: gone })).rejects.toBe(reason);
  });

  test("a timeout is a TimeoutError", async () => {
    const call = client()
      .serviceClient(greeter)
      .wait(Opts.from<undefined, void>({ timeout: 20 }));
    await expect(call).rejects.toMatchObject({ name: "TimeoutError" });
  });

  interface Asked {
    readonly service?: string;
    readonly handler?: string;
    readonly key?: string;
    readonly parameter?: unknown;
    readonly opts?: object;
  }
  const call = (asked: Asked): Promise<unknown> =>
    client().call({ service: "Greeter", handler: "greet", parameter: "Ann", ...asked });
  const fail = (parameter: { message: string; errorCode: number }): Promise<unknown> =>
    client().serviceClient(greeter).fail(parameter);
});

interface Room {
  approval(): Promise<string | null>;
}

async function idOf(room: Room): Promise<string> {
  return String(
    await until(
      () => room.approval(),
      (id) => id !== null,
    ),
  );
}

/** Of the right form. */
const UNKNOWN_INVOCATION = `inv_${"0".repeat(32)}`;

function manyHeaders(count: number, length: number): Record<string, string> {
  const names = Array.from({ length: count }, (_, at) => `x-${at}`);
  return Object.fromEntries(names.map((name) => [name, "v".repeat(length)]));
}

test("where it does not listen it says so", () => {
  expect(() => runtime.adminUrl).toThrow(/adminPort: false/);
  expect(() => runtime.workerUrl).toThrow(/workerPort: false/);
});

test("a runtime that listens nowhere serves its own process; closed, it answers 503", async () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-client-"));
  const ports = { ingressPort: false, adminPort: false, workerPort: false } as const;
  const alone = await startRuntime({ dataDir: directory, services: [greeter], ...ports });
  const client = connect({ runtime: alone }).serviceClient(greeter);
  expect(await client.greet("Ann")).toBe("Hello Ann!");
  const waiting = client.wait().catch((error: unknown) => error);
  await alone.close();
  expect(await waiting).toMatchObject({ name: "HttpCallError", status: 503 });
  await expect(client.greet("Bob")).rejects.toMatchObject({ name: "HttpCallError", status: 503 });
  rmSync(directory, { recursive: true, force: true });
});
