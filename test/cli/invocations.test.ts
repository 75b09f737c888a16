import { afterEach, expect, test, vi } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import type {
  InvocationDescription,
  InvocationSummary,
  InvocationsBody,
} from "../../runtime/admin/views.ts";
import { noTimeSpent } from "../../runtime/core/invocation.ts";
import { fakeRuntime, runCli, type FakeRuntime, type Reply } from "./run-cli.ts";

const ID = "inv_00000000000000000000000000000000" as InvocationId; // a branded literal
const NOW_MS = Date.parse("2026-01-02T00:00:00.000Z");
let runtime: FakeRuntime | undefined;

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await runtime?.close();
  runtime = undefined;
});

async function invocations(reply: Parameters<typeof fakeRuntime>[0], ...args: string[]) {
  runtime = await fakeRuntime(reply);
  vi.stubEnv("HOLDFAST_ADMIN_URL", runtime.url);
  vi.spyOn(Date, "now").mockReturnValue(NOW_MS);
  return { ...(await runCli("invocations", ...args)), received: runtime.received };
}

const SUMMARY: InvocationSummary = {
  id: ID,
  target: { service: "cart", handler: "checkout", key: "alice" },
  status: "backing-off",
  statusSince: "2026-01-01T23:59:48.000Z",
  createdAt: "2026-01-01T20:00:00.000Z",
  completedAt: null,
  deployment: "dev",
  attempts: 3,
  failures: 3,
  lastFailure: {
    name: "Error",
    message: "card service is down",
    code: 500,
    at: "2026-01-01T23:59:48.000Z",
    entry: { command: 1, kind: "run", name: "charge" },
  },
  nextRetryAt: "2026-01-02T00:00:05.000Z",
  idempotencyKey: null,
  cancelRequested: false,
};

const DESCRIPTION: InvocationDescription = {
  ...SUMMARY,
  serviceKind: "object",
  mode: "exclusive",
  startedAt: SUMMARY.createdAt,
  expiresAt: null,
  parent: null,
  pauseRequested: false,
  waitsFor: [{ kind: "retry", until: "2026-01-02T00:00:05.000Z", since: SUMMARY.statusSince }],
  waitsForCut: [],
  spentMs: {
    ...noTimeSpent(),
    inboxed: 1_234,
    running: 3_600_000,
    disk: 15,
    "backing-off": 12_000,
  },
  outcome: null,
  lastFailureStack: "Error: card service is down\n    at charge (cart.js:7:11)",
  inputBytes: 2,
  journalLength: 2,
  journal: [
    {
      index: 0,
      entry: "command",
      kind: "set-state",
      command: 0,
      name: "",
      about: "items",
      sizeBytes: 2048,
      at: "2026-01-01T20:00:00.000Z",
      invocation: null,
      failure: null,
    },
  ],
};

test("the id of these tests has the form of an id", () => {
  expect(parseInvocationId(ID)).toBeDefined();
});

test("list prints a table, and asks for what the filters say", async () => {
  const body: InvocationsBody = { invocations: [SUMMARY], nextCursor: "17" };
  const filters = ["--service", "cart", "--key", "a b", "--status", "running", "backing-off"];
  const reply = { status: 200, body: JSON.stringify(body) };
  const limited = [...filters, "--handler", "checkout", "--deployment", "v1", "--limit", "1"];
  const { code, out, err, received } = await invocations(reply, "list", ...limited);
  expect(code).toBe(0);
  expect(out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["ID", "TARGET", "STATUS", "FOR", "ATTEMPTS", "LAST FAILURE"],
    [ID, "cart/alice/checkout", "backing-off", "12s", "3", "card service is down"],
    [""],
  ]);
  expect(err).toBe("more with --cursor 17\n");
  expect(received[0]?.url).toBe(
    "/invocations?service=cart&handler=checkout&key=a+b&deployment=v1&status=running&status=backing-off&limit=1",
  );
});

test("list follows the pages, empty ones too, until it has enough or there are no more", async () => {
  const pages: InvocationsBody[] = [
    { invocations: [SUMMARY], nextCursor: "1" },
    { invocations: [], nextCursor: "2" },
    { invocations: [SUMMARY, SUMMARY], nextCursor: "3" },
    { invocations: [SUMMARY], nextCursor: null },
  ];
  const reply = pages.map((it): Reply => ({ status: 200, body: JSON.stringify(it) }));
  const all = await invocations(reply, "list");
  expect([all.err, all.out.split("\n")]).toEqual(["", expect.objectContaining({ length: 6 })]);
  await runtime?.close();
  const three = await invocations(reply, "list", "--limit", "3");
  expect(three.err).toBe("more with --cursor 3\n");
  expect(three.received.map((it) => it.url)).toEqual([
    "/invocations?limit=3",
    "/invocations?cursor=1&limit=2",
    "/invocations?cursor=2&limit=2",
  ]);
});

test("an empty list says so; with --json it is the body of the admin API", async () => {
  const body: InvocationsBody = { invocations: [], nextCursor: null };
  const reply = { status: 200, body: JSON.stringify(body) };
  expect(await invocations(reply, "list")).toMatchObject({ out: "no invocations\n" });
  await runtime?.close();
  const { out } = await invocations(reply, "list", "--json");
  expect(JSON.parse(out)).toEqual(body);
});

test.each([
  ["2026-01-02T00:00:05.000Z", true],
  // Its closure is at work: there is nothing to resume.
  [null, false],
])("of a run whose next try is at %s describe offers a resume: %s", async (nextTryAt, offered) => {
  const { lastFailure } = SUMMARY;
  const since = SUMMARY.createdAt;
  const tried = { mode: "at-least-once", tries: 2, failures: 1, nextTryAt, lastFailure } as const;
  const run = { kind: "run", command: 1, name: "charge", since, ...tried } as const;
  const body: InvocationDescription = { ...DESCRIPTION, waitsFor: [run] };
  const { out } = await invocations({ status: 200, body: JSON.stringify(body) }, "describe", ID);
  expect(out.includes(`at once with: holdfast invocations resume ${ID}`)).toBe(offered);
});

test("describe says what it waits for, what went wrong and where, and what it did", async () => {
  const { out } = await invocations(
    { status: 200, body: JSON.stringify(DESCRIPTION) },
    "describe",
    ID,
  );
  expect(out).toMatchInlineSnapshot(`
    "cart/alice/checkout is backing-off, for 12s
    inv_00000000000000000000000000000000

    Waits for
      its next attempt at 2026-01-02T00:00:05.000Z (in 5.0 s), for 12s

    What to do
      mend what failed; it goes on by itself, or at once with: holdfast invocations resume inv_00000000000000000000000000000000

    Last failure
      2026-01-01T23:59:48.000Z, at command 1 (run "charge")
      Error 500: card service is down
      Error: card service is down
          at charge (cart.js:7:11)

    Invocation
      Created       2026-01-01T20:00:00.000Z (4h ago)
      Deployment    dev
      Attempts      3, of which failed in a row: 3
      Next attempt  2026-01-02T00:00:05.000Z

    Where the time went
      waiting for the key           1.2 s
      running                       1h 0m
        of it waiting for the disk  15 ms
      backing off                   12.0 s

    Journal
      #  ENTRY      NAME  ABOUT  SIZE     AT
      0  set-state        items  2.0 KiB  2026-01-01T20:00:00.000Z
      entries 0 to 0 of 2; others with --from and --limit
    "
  `);
});

test("an unknown id is told in the admin API's words, with exit code 1", async () => {
  const body = { message: `The requested invocation '${ID}' does not exist`, restate_code: null };
  const reply = { status: 404, body: JSON.stringify(body) };
  const { code, err } = await invocations(reply, "describe", ID);
  expect(code).toBe(1);
  expect(err).toBe(`error: ${body.message} (HTTP 404)\n`);
});

test("an answer that is no JSON: the flag that may be wrong", async () => {
  const { code, err } = await invocations({ status: 200, body: "<html>" }, "list");
  expect(code).toBe(1);
  expect(err).toContain("--admin-url");
});
