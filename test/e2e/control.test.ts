/** Taking hold of what runs, over HTTP, with real processes that are killed meanwhile. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { get, post, send, until } from "./support/ingress.ts";
import { OutsideService } from "./support/outside-service.ts";
import {
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
} from "./support/processes.ts";

let outside: OutsideService;
let runtime: RuntimeProcess;

beforeAll(async () => {
  outside = await OutsideService.start();
});
beforeEach(async () => {
  runtime = await startRuntimeProcess();
  const env = { HOLDFAST_URL: runtime.workerUrl, OUTSIDE_URL: outside.url };
  await startWorkerProcess("crash-worker.mjs", env);
});
afterEach(stopAll);
afterAll(() => outside.close());

async function patch(path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${runtime.adminUrl}${path}`, { method: "PATCH" });
  return { status: response.status, body: await response.json() };
}

const describeOf = (id: string) => get(`${runtime.adminUrl}/invocations/${id}`);

test("a paused key waits through a SIGKILL of the runtime, and goes on when it is resumed", async () => {
  expect(await patch("/services/list/keys/held/pause")).toMatchObject({ status: 200 });
  const id = await send(`${runtime.ingressUrl}/list/held/append`, "first");
  runtime = await runtime.killAndRestart();
  // The worker has found the runtime again as soon as another key is served.
  await until(
    () => post(`${runtime.ingressUrl}/list/other/append`, "x").catch(() => ({ status: 0 })),
    ({ status }) => status === 200,
  );
  expect(await describeOf(id)).toMatchObject({ body: { status: "ready", attempts: 0 } });
  expect(await get(`${runtime.adminUrl}/pauses`)).toMatchObject({
    body: { pauses: [{ service: "list", key: "held" }] },
  });
  expect(await patch("/services/list/keys/held/resume")).toMatchObject({ status: 200 });
  const read = await post(`${runtime.ingressUrl}/list/held/append`, "second");
  expect(read).toMatchObject({ status: 200, body: 2 });
});

test("a cancellation reaches a closure that hangs, and frees the key", async () => {
  outside.hold("append hangs");
  const id = await send(`${runtime.ingressUrl}/list/busy/appendSlowly`, "hangs");
  await outside.arrived("append hangs");
  expect(await patch(`/invocations/${id}/cancel`)).toMatchObject({
    status: 202,
    body: { applied: "appended" },
  });
  const next = await post(`${runtime.ingressUrl}/list/busy/append`, "next");
  expect(next.status).toBe(200);
  expect(await describeOf(id)).toMatchObject({
    body: { status: "completed", outcome: { ok: false, failure: { name: "CancelledError" } } },
  });
  outside.release("append hangs");
});

test("all that match are killed with one request, and are dead after a SIGKILL of the runtime", async () => {
  const url = `${runtime.ingressUrl}/scenario/run`;
  const names = Array.from({ length: 100 }, (_, i) => `many-${i}`);
  for (const name of names) outside.hold(`${name} before`);
  const ids = await Promise.all(names.map((name) => send(url, name)));
  const killed = await patch("/invocations/kill?service=scenario&limit=1000");
  expect(killed).toMatchObject({
    status: 200,
    body: { matched: 100, applied: 100, refused: 0, nextCursor: null },
  });
  runtime = await runtime.killAndRestart();
  const found = await until(
    () => describeOf(ids[99] ?? "").catch(() => ({ status: 0 })),
    ({ status }) => status === 200,
  );
  expect(found).toMatchObject({ body: { status: "completed", outcome: { ok: false } } });
  expect(await patch("/invocations/kill?service=scenario")).toMatchObject({ body: { matched: 0 } });
});
