/** A handler that changed its code under a running invocation: named on both sides, nothing damaged. */
import { afterEach, expect, test } from "vitest";
import type { InvocationDescription } from "../../runtime/admin/views.ts";
import { get, post, send, until } from "./support/ingress.ts";
import { startRuntimeProcess, startWorkerProcess, stopAll } from "./support/processes.ts";

afterEach(stopAll);

test("a changed handler says what was recorded and what it did now, and goes on once mended", async () => {
  const runtime = await startRuntimeProcess();
  const env = { HOLDFAST_URL: runtime.workerUrl };
  const original = await startWorkerProcess("changing-worker.mjs", { ...env, CODE: "original" });
  const id = await send(`${runtime.ingressUrl}/order/place`, null);
  const describe = async (): Promise<InvocationDescription> =>
    (await get(`${runtime.adminUrl}/invocations/${id}`)).body as InvocationDescription;
  const waiting = await until(describe, (it) =>
    it.waitsFor.some((wait) => wait.kind === "awakeable"),
  );
  const awakeable = waiting.waitsFor.find((it) => it.kind === "awakeable");

  await original.kill();
  const changed = await startWorkerProcess("changing-worker.mjs", { ...env, CODE: "changed" });
  const stuck = await until(describe, (it) => it.lastFailure?.code === 570);
  expect(stuck.lastFailure?.message).toContain("charge");
  expect(stuck.lastFailure?.message).toContain("reserve");
  expect(stuck.lastFailure?.entry).toMatchObject({ command: 0, kind: "run", name: "charge" });
  expect(stuck.status).toBe("backing-off");
  expect(stuck.nextRetryAt).not.toBeNull();

  await changed.kill();
  await startWorkerProcess("changing-worker.mjs", { ...env, CODE: "original" });
  if (awakeable?.kind !== "awakeable") throw new Error("it waits for an awakeable");
  const url = `${runtime.ingressUrl}/restate/awakeables/${awakeable.awakeableId}/resolve`;
  expect((await post(url, "go")).status).toBe(202);
  const output = await get(`${runtime.ingressUrl}/restate/invocation/${id}/attach`);
  expect(output).toEqual({ status: 200, body: "charged" });
});
