/** Registrations that the runtime refuses say why, on both sides; a worker leaves in good order. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "holdfast/client";
import { object, serve, service, type Context, type ObjectContext } from "holdfast";
import { startRuntime, type Runtime } from "holdfast/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { get, post } from "./support/ingress.ts";

let runtime: Runtime;
let dataDir: string;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "holdfast-registration-"));
  const ports = { ingressPort: 0, adminPort: 0, workerPort: 0 };
  runtime = await startRuntime({ dataDir, logLevel: "silent", ...ports });
});
afterEach(async () => {
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const asService = service({
  name: "thing",
  handlers: { touch: async (_ctx: Context): Promise<string> => "touched" },
});
const asObject = object({
  name: "thing",
  handlers: { touch: async (_ctx: ObjectContext): Promise<string> => "touched" },
});

test("a service that changes its kind is refused with the reason; the first one serves on", async () => {
  const first = await serve({ services: [asService], url: runtime.workerUrl });
  const second = serve({ services: [asObject], url: runtime.workerUrl });
  await expect(second).rejects.toThrow("is registered as a service and cannot become an object");
  expect(await connect({ runtime }).serviceClient(asService).touch()).toBe("touched");
  await first.close();
});

test("with no worker connected a known service accepts and waits, an unknown one is 404", async () => {
  const first = await serve({ services: [asService], url: runtime.workerUrl });
  await first.close();
  expect((await get(`${runtime.ingressUrl}/restate/health`)).body).toEqual({ services: ["thing"] });
  const waiting = post(`${runtime.ingressUrl}/thing/touch`, null);
  expect((await post(`${runtime.ingressUrl}/nothing/touch`, null)).status).toBe(404);
  const second = await serve({ services: [asService], url: runtime.workerUrl });
  expect(await waiting).toEqual({ status: 200, body: "touched" });
  await second.close();
});

test("a worker that leaves lets its running closure finish", async () => {
  let finish = (): void => undefined;
  let started = (): void => undefined;
  const running = new Promise<void>((resolve) => (started = resolve));
  const slow = service({
    name: "slow",
    handlers: {
      work: async (ctx: Context): Promise<string> =>
        ctx.run("work", () => {
          started();
          return new Promise<string>((resolve) => (finish = () => resolve("done")));
        }),
    },
  });
  const worker = await serve({ services: [slow], url: runtime.workerUrl });
  const answer = post(`${runtime.ingressUrl}/slow/work`, null);
  await running;
  // Twice, as SIGTERM and close() do: the second one must not make the first one wait for ever.
  const closing = [worker.close(), worker.close()];
  finish();
  expect(await answer).toEqual({ status: 200, body: "done" });
  await Promise.all(closing);
});

test("what the runtime will never take ends serve with the reason, and it does not dial for ever", async () => {
  // A manifest beyond the protocol's limits was closed with 4400, and dialed again without end.
  const many = Array.from({ length: 1_001 }, (_, i) =>
    service({ name: `many${i}`, handlers: { touch: async (_ctx: Context) => "touched" } }),
  );
  const refused = serve({ services: many, url: runtime.workerUrl });
  await expect(refused).rejects.toThrow("services is not a list of at most 1000 items");
});

test("a wrong worker token ends serve with the reason", async () => {
  const guardedDir = mkdtempSync(join(tmpdir(), "holdfast-registration-"));
  const ports = { ingressPort: 0, adminPort: 0, workerPort: 0 };
  const options = {
    dataDir: guardedDir,
    logLevel: "silent",
    workerToken: "right",
    ...ports,
  } as const;
  const guarded = await startRuntime(options);
  const wrong = serve({ services: [asService], url: guarded.workerUrl, token: "wrong" });
  await expect(wrong).rejects.toThrow("wants another worker token");
  const right = await serve({ services: [asService], url: guarded.workerUrl, token: "right" });
  await right.close();
  await guarded.close();
  rmSync(guardedDir, { recursive: true, force: true });
});

test.each([
  [{ url: "localhost:9080" }, "is that of the runtime's worker port"],
  [{ version: "" }, "the version of the code (HOLDFAST_VERSION) has 1 to 128 characters"],
  [{ concurrency: 0 }, "concurrency is a whole number from 1"],
])("serve refuses %j at once", async (option, reason) => {
  await expect(serve({ services: [asService], ...option })).rejects.toThrow(reason);
});

// Nobody looked at what an embedded worker says of itself: with a concurrency of 0 every call hung.
test.each([
  [{ version: "" }, "the version of the code (HOLDFAST_VERSION) has 1 to 128 characters"],
  [{ concurrency: 0 }, "startRuntime: concurrency is a whole number from 1, got 0"],
  [{ concurrency: Number.NaN }, "startRuntime: concurrency is a whole number from 1, got NaN"],
  [{ services: [] }, "a worker needs at least one service"],
])("startRuntime refuses %j before it opens anything", async (option, reason) => {
  const elsewhere = join(dataDir, "embedded");
  const options = { dataDir: elsewhere, ingressPort: 0, adminPort: 0, workerPort: 0 };
  const started = startRuntime({ ...options, services: [asService], ...option });
  await expect(started).rejects.toThrow(reason);
  expect(existsSync(elsewhere)).toBe(false);
});
