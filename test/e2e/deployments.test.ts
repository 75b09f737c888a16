/** A new version takes over while the old one drains; what a person sees of it, on real processes. */
import { afterEach, expect, test } from "vitest";
import type {
  DeploymentView,
  InvocationDescription,
  WaitGraph,
} from "../../runtime/admin/views.ts";
import { runCli } from "../cli/run-cli.ts";
import { get, post, send, until } from "./support/ingress.ts";
import {
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
  type WorkerProcess,
} from "./support/processes.ts";

afterEach(stopAll);

const worker = (runtime: RuntimeProcess, version: string): Promise<WorkerProcess> =>
  startWorkerProcess("versioned-worker.mjs", {
    HOLDFAST_URL: runtime.workerUrl,
    HOLDFAST_VERSION: version,
  });

async function describe(runtime: RuntimeProcess, id: string): Promise<InvocationDescription> {
  return (await get(`${runtime.adminUrl}/invocations/${id}`)).body as InvocationDescription;
}

async function deployment(runtime: RuntimeProcess, version: string): Promise<DeploymentView> {
  return (await get(`${runtime.adminUrl}/deployments/${version}`)).body as DeploymentView;
}

async function awakeableOf(runtime: RuntimeProcess, id: string): Promise<string> {
  const found = await until(
    () => describe(runtime, id),
    (it) => it.waitsFor.some((wait) => wait.kind === "awakeable"),
  );
  const wait = found.waitsFor.find((it) => it.kind === "awakeable");
  if (wait?.kind !== "awakeable") throw new Error("it waits for an awakeable");
  return wait.awakeableId;
}

test("the new version takes what is new, the old one drains, is named without a worker, and is removed", async () => {
  const runtime = await startRuntimeProcess();
  const old = await worker(runtime, "v1");
  const id = await send(`${runtime.ingressUrl}/order/place`, null);
  const awakeable = await awakeableOf(runtime, id);
  expect(await deployment(runtime, "v1")).toMatchObject({ status: "active", invocations: 1 });

  const current = await worker(runtime, "v2");
  const charged = await post(`${runtime.ingressUrl}/order/charge`, null);
  expect(charged.body).toBe("v2");
  expect(await deployment(runtime, "v1")).toMatchObject({ status: "draining", workers: 1 });
  expect(await deployment(runtime, "v2")).toMatchObject({ status: "active", invocations: 0 });

  await old.kill();
  const lacking = await until(
    () => deployment(runtime, "v1"),
    (it) => it.warning !== null,
  );
  expect(lacking.warning).toContain("1 open invocation is pinned to it, and no worker");
  const waiting = await until(
    () => describe(runtime, id),
    (it) => it.status === "ready",
  );
  expect(waiting.waitsFor[0]).toMatchObject({
    kind: "worker",
    deployment: "v1",
    workers: 0,
    reason: "no-worker",
  });
  const refused = await fetch(`${runtime.adminUrl}/deployments/v1`, { method: "DELETE" });
  expect(refused.status).toBe(409);

  // Its own code ends it: nothing of the new version touches it.
  const revived = await worker(runtime, "v1");
  await post(`${runtime.ingressUrl}/restate/awakeables/${awakeable}/resolve`, "go");
  const output = await get(`${runtime.ingressUrl}/restate/invocation/${id}/attach`);
  expect(output.body).toEqual({ began: "v1", ended: "v1" });
  await revived.terminate();
  const removed = await until(
    () => runCli("deployments", "remove", "v1", "--admin-url", runtime.adminUrl),
    (it) => it.code === 0,
  );
  expect(removed.out).toContain("the deployment 'v1' is forgotten");
  const { out } = await runCli("deployments", "list", "--admin-url", runtime.adminUrl);
  expect(out).not.toContain("v1");
  expect((await post(`${runtime.ingressUrl}/order/charge`, null)).body).toBe("v2");
  await current.terminate();
});

test("the command line shows who holds a key, and where the time went", async () => {
  const runtime = await startRuntimeProcess();
  await worker(runtime, "v1");
  const holder = await send(`${runtime.ingressUrl}/account/a/hold`, null);
  await awakeableOf(runtime, holder);
  const inboxed = await send(`${runtime.ingressUrl}/account/a/touch`, null);
  const admin = ["--admin-url", runtime.adminUrl];
  const described = await runCli("invocations", "describe", inboxed, ...admin);
  expect(described.out).toContain("account/a/touch is inboxed");
  expect(described.out).toMatch(
    new RegExp(`its turn on account/a, held for \\d+s by account/a/hold ${holder}`),
  );
  const graph = await runCli("invocations", "graph", inboxed, "--json", ...admin);
  const { nodes } = JSON.parse(graph.out) as WaitGraph;
  expect(nodes.map((it) => it.id)).toEqual([inboxed, holder]);
  expect(nodes[1]?.others).toMatchObject([{ kind: "awakeable" }]);

  await post(`${runtime.ingressUrl}/order/charge`, null);
  const list = await runCli("invocations", "list", "--handler", "charge", "--json", ...admin);
  const [charge] = (JSON.parse(list.out) as { invocations: { id: string }[] }).invocations;
  const { spentMs, status } = await describe(runtime, charge?.id ?? "");
  expect(status).toBe("completed");
  // A go waits for a commit, and that is a part of the time it ran.
  expect(spentMs.disk).toBeLessThanOrEqual(spentMs.running);
});
