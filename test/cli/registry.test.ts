/** `holdfast deployments` and `holdfast services`. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DeploymentView, ServiceView } from "../../runtime/admin/views.ts";
import { fakeRuntime, runCli, type FakeRuntime } from "./run-cli.ts";

let runtime: FakeRuntime | undefined;

beforeEach(() => {
  vi.spyOn(Date, "now").mockReturnValue(Date.parse("2026-01-02T00:00:00.000Z"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await runtime?.close();
  runtime = undefined;
});

async function cli(body: object, ...args: string[]) {
  await runtime?.close();
  runtime = await fakeRuntime({ status: 200, body: JSON.stringify(body) });
  vi.stubEnv("HOLDFAST_ADMIN_URL", runtime.url);
  return { ...(await runCli(...args)), received: runtime.received };
}

const draining: DeploymentView = {
  version: "v1",
  createdAt: "2026-01-01T00:00:00.000Z",
  services: ["cart", "account"],
  status: "draining",
  invocations: 3,
  workers: 0,
  warning: "3 open invocations are pinned to it, and no worker of it is connected: start one",
};
const active: DeploymentView = {
  ...draining,
  version: "v2",
  status: "active",
  workers: 2,
  warning: null,
};

test("deployments are listed with their work and workers; a lack is a warning", async () => {
  const { out, err, code } = await cli({ deployments: [draining, active] }, "deployments", "list");
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "VERSION  STATUS    INVOCATIONS  WORKERS  AGE  SERVICES
    v1       draining  3            0        1d   cart, account
    v2       active    3            2        1d   cart, account
    "
  `);
  expect(err).toBe(`warning: v1: ${draining.warning}\n`);
});

test.each([
  ["draining", 0, "it takes no new invocations; keep a worker of it until the 3 open ones have"],
  ["active", 1, "it takes the new invocations of a service"],
  ["drained", 1, "nothing needs it: its workers can be stopped"],
  ["drained", 0, "nothing needs it, and it can be removed"],
] as const)(
  "a deployment that is %s, with %i workers, says what that means",
  async (status, workers, meaning) => {
    const { out } = await cli({ ...draining, status, workers }, "deployments", "describe", "v1");
    expect(out).toContain(`deployment v1 is ${status}: ${meaning}`);
  },
);

test("a deployment is removed by its name", async () => {
  const { out, received } = await cli(
    { effect: "it is forgotten" },
    "deployments",
    "remove",
    "v 1",
  );
  expect(out).toBe("it is forgotten\n");
  expect(received).toMatchObject([{ method: "DELETE", url: "/deployments/v%201" }]);
});

const service: ServiceView = {
  name: "cart",
  kind: "object",
  deployment: "v2",
  description: "What somebody wants to buy.",
  metadata: {},
  handlers: [
    {
      name: "checkout",
      mode: "exclusive",
      public: true,
      inputContentType: "application/json",
      outputContentType: "application/json",
      description: "",
      retry: {
        initialIntervalMs: 50,
        factor: 2,
        maxIntervalMs: 10_000,
        maxAttempts: 5,
        maxDurationMs: 3_600_000,
        jitter: 0,
        onMaxAttempts: "pause",
      },
    },
    {
      name: "total",
      mode: "shared",
      public: false,
      inputContentType: "",
      outputContentType: "",
      description: "the sum",
      retry: null,
    },
  ],
  pausedSince: null,
};

test("services are listed, and described with how each handler is retried", async () => {
  const { out } = await cli({ services: [service] }, "services", "list");
  expect(out).toMatchInlineSnapshot(`
    "NAME  KIND    DEPLOYMENT  HANDLERS
    cart  object  v2          checkout, total
    "
  `);
  const described = await cli(service, "services", "describe", "cart");
  expect(described.out).toMatchInlineSnapshot(`
    "cart is an object; deployment v2 takes its new invocations
    What somebody wants to buy.

    HANDLER   MODE       CALLABLE     RETRIES                                           ABOUT
    checkout  exclusive  over HTTP    50 ms to 10.0 s, after 5 attempts or 1h 0m pause
    total     shared     by handlers  as the runtime's default                          the sum
    "
  `);
});

// A paused service was to be seen by its invocations alone, if it had any.
test("a service that is paused says so, with how to let it go on", async () => {
  const paused = { ...service, pausedSince: "2026-01-01T23:55:00.000Z" };
  const said = "cart is paused, for 5m; let it go on with: holdfast services resume cart\n";
  expect((await cli({ services: [paused] }, "services", "list")).err).toBe(said);
  expect((await cli(paused, "services", "describe", "cart")).err).toBe(said);
  expect((await cli(service, "services", "describe", "cart")).err).toBe("");
});

test("with --json it is the body of the admin API", async () => {
  const { out } = await cli(service, "services", "describe", "cart", "--json");
  expect(JSON.parse(out)).toEqual(service);
});
