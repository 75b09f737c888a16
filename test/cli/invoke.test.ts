import { afterEach, expect, test, vi } from "vitest";
import { fakeRuntime, runCli, type FakeRuntime, type Reply } from "./run-cli.ts";

const ID = "inv_0123456789abcdefghjkmnpqrstvwxyz";
let runtime: FakeRuntime | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  await runtime?.close();
  runtime = undefined;
});

async function invoke(reply: Reply, ...args: string[]) {
  runtime = await fakeRuntime(reply);
  vi.stubEnv("HOLDFAST_INGRESS_URL", runtime.url);
  return { ...(await runCli("invoke", ...args)), received: runtime.received };
}

test("a call posts the JSON to the handler of the key and prints the result", async () => {
  const reply = { status: 200, headers: { "x-restate-id": ID }, body: '{"total":3}' };
  const result = await invoke(reply, "counter", "alice", "add", "--data", "2");
  expect(result).toMatchObject({ code: 0, out: '{\n  "total": 3\n}\n', err: "" });
  expect(result.received).toMatchObject([
    { method: "POST", url: "/restate/call/counter/alice/add", body: "2" },
  ]);
  expect(result.received[0]?.headers["content-type"]).toBe("application/json");
});

test("a key may hold anything, two dots and slashes too", async () => {
  const reply = { status: 200 };
  for (const [key, path] of [
    ["..", ".."],
    ["a/b c", "a%2Fb%20c"],
  ] as const) {
    const { received } = await invoke(reply, "counter", key, "get");
    expect(received).toMatchObject([{ url: `/restate/call/counter/${path}/get` }]);
    expect(received[0]?.headers["content-type"]).toBeUndefined();
    await runtime?.close();
  }
  runtime = undefined;
});

// Each result went through numbers and objects of JavaScript, so that 12345678901234567890 was printed as
// 12345678901234567000, and of a name that is there twice only the last one was left.
test.each([
  "12345678901234567890",
  '{"id":12345678901234567890}',
  '{"a":1,"a":2}',
  '{"__proto__":1}',
  "1.0",
  "-0",
  "1e400",
  '{ "spaced":\n [1] }',
  '"\\ud800"',
  '"\\u0041"',
])("a result is printed as it came where another form of it could say less: %s", async (body) => {
  const reply = { status: 200, headers: { "x-restate-id": ID }, body };
  const { out } = await invoke(reply, "counter", "alice", "get");
  expect(out.replaceAll(/\s/g, "")).toBe(body.replaceAll(/\s/g, ""));
  await runtime?.close();
  const { out: json } = await invoke(reply, "counter", "alice", "get", "--json");
  expect(json.replaceAll(/\s/g, "")).toBe(
    `{"invocationId":"${ID}","result":${body.replaceAll(/\s/g, "")}}`,
  );
  expect(JSON.parse(json)).toEqual({ invocationId: ID, result: JSON.parse(body) });
});

test("--json gives a result that is no JSON as a string", async () => {
  const reply = { status: 200, headers: { "x-restate-id": ID }, body: "plain\ntext" };
  const { out } = await invoke(reply, "greeter", "greet", "--json");
  expect(JSON.parse(out)).toEqual({ invocationId: ID, result: "plain\ntext" });
});

test("--json gives the id beside the result, and null for no result", async () => {
  const reply = { status: 200, headers: { "x-restate-id": ID } };
  const { out } = await invoke(reply, "greeter", "greet", "--json");
  expect(JSON.parse(out)).toEqual({ invocationId: ID, result: null });
});

test("a send with a delay and an idempotency key prints id and status", async () => {
  const reply = {
    status: 202,
    headers: { "x-restate-id": ID },
    body: JSON.stringify({ invocationId: ID, status: "PreviouslyAccepted" }),
  };
  const flags = ["--send", "--delay", "1h 30m", "--idempotency-key", "order-17"];
  const { out, received } = await invoke(reply, "greeter", "greet", ...flags);
  expect(out).toBe(`${ID} PreviouslyAccepted\n`);
  expect(received[0]?.url).toBe("/restate/send/greeter/greet?delay=1h%2030m");
  expect(received[0]?.headers["idempotency-key"]).toBe("order-17");
});

test("a refusal of the ingress is told in its words, with exit code 1", async () => {
  const reply = {
    status: 404,
    headers: { "x-restate-error-source": "ingress" },
    body: JSON.stringify({ code: 404, message: "service 'nope' not found", source: "ingress" }),
  };
  const { code, out, err } = await invoke(reply, "nope", "greet");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toBe("error: service 'nope' not found (HTTP 404)\n");
});

test("a failed invocation says where to look; --json gives the body as it came", async () => {
  const body = { code: 422, message: "no such order", source: "invocation" };
  const headers = { "x-restate-id": ID, "x-restate-error-source": "invocation" };
  const reply = { status: 422, headers, body: JSON.stringify(body) };
  const told = await invoke(reply, "orders", "get");
  expect(told.err).toBe(
    `error: no such order (HTTP 422); see \`holdfast invocations describe ${ID}\`\n`,
  );
  await runtime?.close();
  const { err } = await invoke(reply, "orders", "get", "--json");
  expect(JSON.parse(err)).toEqual(body);
});

test("a runtime that is not there: the address, and the command that starts one", async () => {
  const gone = await fakeRuntime({ status: 200 });
  await gone.close();
  const { code, err } = await runCli("invoke", "a", "b", "--ingress-url", gone.url);
  expect(code).toBe(1);
  expect(err).toContain(`cannot reach a runtime at ${gone.url} (ECONNREFUSED)`);
  expect(err).toContain("`holdfast start`");
});
