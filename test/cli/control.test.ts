import { afterEach, describe, expect, test, vi } from "vitest";
import type { BulkBody } from "../../runtime/admin/views.ts";
import { fakeRuntime, runCli, type FakeRuntime, type Reply } from "./run-cli.ts";

const ID = "inv_00000000000000000000000000000000";
const OTHER = "inv_00000000000000000000000000000001";
const VERBS = ["cancel", "kill", "pause", "resume", "purge"] as const;
let runtime: FakeRuntime | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await runtime?.close();
  runtime = undefined;
});

async function holdfast(reply: Reply | Reply[], ...args: string[]) {
  runtime = await fakeRuntime(reply);
  vi.stubEnv("HOLDFAST_ADMIN_URL", runtime.url);
  return { ...(await runCli(...args)), received: runtime.received };
}

const took = (effect: string): Reply => ({
  status: 202,
  body: JSON.stringify({ invocationId: ID, applied: "appended", effect }),
});
const refused: Reply = {
  status: 409,
  body: JSON.stringify({ message: "the invocation has already completed", restate_code: null }),
};
const page = (body: Partial<BulkBody>): Reply => ({
  status: 200,
  body: JSON.stringify({
    matched: 0,
    applied: 0,
    appended: 0,
    refused: 0,
    nextCursor: null,
    ...body,
  }),
});

describe("invocations by their ids", () => {
  test.each(VERBS)("%s prints what will happen", async (verb) => {
    const { code, out, received } = await holdfast(took("it sees"), "invocations", verb, ID);
    expect({ code, out }).toEqual({ code: 0, out: "it sees\n" });
    expect(received).toMatchObject([{ method: "PATCH", url: `/invocations/${ID}/${verb}` }]);
  });

  test("each of several is named, and one that is refused does not stop the others", async () => {
    const replies = [refused, took("it sees")];
    const { code, out, err } = await holdfast(replies, "invocations", "kill", ID, OTHER);
    expect(code).toBe(1);
    expect(out).toBe(`${OTHER}: it sees\n`);
    expect(err).toBe(
      `${ID}: the invocation has already completed (HTTP 409)\nerror: 1 of 2 were refused\n`,
    );
  });

  test("--json is the body of the admin API, or a list of them", async () => {
    const one = await holdfast(took("it sees"), "invocations", "cancel", ID, "--json");
    expect(JSON.parse(one.out)).toMatchObject({ invocationId: ID, effect: "it sees" });
    await runtime?.close();
    const replies = [refused, took("it sees")];
    const two = await holdfast(replies, "invocations", "cancel", ID, OTHER, "--json");
    expect(JSON.parse(two.out)).toMatchObject([
      { invocationId: ID, error: { message: "the invocation has already completed" } },
      { effect: "it sees" },
    ]);
  });

  test("resume takes a deployment", async () => {
    const args = ["resume", ID, "--deployment", "latest"];
    const { received } = await holdfast(took("it goes on"), "invocations", ...args);
    expect(received[0]?.url).toBe(`/invocations/${ID}/resume?deployment=latest`);
  });
});

describe("invocations that match", () => {
  test("are taken hold of in pieces, with progress, to the end", async () => {
    const replies = [
      page({ matched: 1_000, applied: 400, appended: 600, nextCursor: "77" }),
      page({ matched: 5, applied: 3, refused: 2 }),
    ];
    const filters = ["--service", "cart", "--key", "a b", "--status", "running", "paused"];
    const { code, out, err, received } = await holdfast(
      replies,
      ...["invocations", "cancel", ...filters, "--yes"],
    );
    expect(code).toBe(0);
    expect(err).toBe("cancel: 1000 so far\n");
    expect(out).toBe(
      "cancel: 1005 matched; 403 done, 600 recorded and seen by their code or at their turn, 2 refused\n",
    );
    const query = "service=cart&key=a+b&status=running&status=paused";
    expect(received.map((it) => it.url)).toEqual([
      `/invocations/cancel?${query}`,
      `/invocations/cancel?${query}&cursor=77`,
    ]);
  });

  test.each([
    [["--service", "cart"], /add --yes/],
    [[], /say what to kill/],
    [["--yes"], /say what to kill/],
    [[ID, "--service", "cart", "--yes"], /ids or filters, not both/],
  ])("%j is wrong usage, and nothing is asked", async (args, message) => {
    const { code, err, received } = await holdfast(page({}), "invocations", "kill", ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(received).toEqual([]);
  });
});

describe("keys and services", () => {
  const held: Reply = {
    status: 200,
    body: JSON.stringify({ service: "cart", key: "a/b", effect: "it is paused" }),
  };

  test.each(["pause", "resume"])("%s", async (verb) => {
    const key = await holdfast(held, "keys", verb, "cart", "a/b");
    expect([key.code, key.out]).toEqual([0, "it is paused\n"]);
    expect(key.received).toMatchObject([
      { method: "PATCH", url: `/services/cart/keys/a%2Fb/${verb}` },
    ]);
    await runtime?.close();
    const service = await holdfast(held, "services", verb, "cart");
    expect([service.code, service.out]).toEqual([0, "it is paused\n"]);
    expect(service.received).toMatchObject([{ method: "PATCH", url: `/services/cart/${verb}` }]);
  });

  test("keys list shows those that are paused", async () => {
    vi.spyOn(Date, "now").mockReturnValue(Date.parse("2026-01-02T00:00:12.000Z"));
    const since = "2026-01-02T00:00:00.000Z";
    const pauses = [
      { service: "mail", key: null, since },
      { service: "cart", key: "alice", since },
    ];
    const { out } = await holdfast(
      { status: 200, body: JSON.stringify({ pauses }) },
      "keys",
      "list",
    );
    expect(out).toBe("KEY         PAUSED FOR\ncart/alice  12s\n");
  });
});
