/**
 * Kill anything at any moment: runtime or worker, in the middle of a run, a sleep, a call chain, a
 * fan-out. Real processes, LMDB on disk, SIGKILL.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { callThroughKills, get, post, until } from "./support/ingress.ts";
import { OutsideService } from "./support/outside-service.ts";
import {
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
  type WorkerProcess,
} from "./support/processes.ts";

let outside: OutsideService;
let runtime: RuntimeProcess;
let worker: WorkerProcess;

const workerEnv = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  HOLDFAST_URL: runtime.workerUrl,
  OUTSIDE_URL: outside.url,
  ...more,
});

beforeAll(async () => {
  outside = await OutsideService.start();
});
afterAll(() => outside.close());
afterEach(stopAll);

async function startBoth(env: Readonly<Record<string, string>> = {}): Promise<void> {
  runtime = await startRuntimeProcess({ env });
  worker = await startWorkerProcess("crash-worker.mjs", workerEnv());
}

const KILLS = {
  runtime: async () => {
    runtime = await runtime.killAndRestart();
  },
  worker: async () => {
    await worker.kill();
    worker = await startWorkerProcess("crash-worker.mjs", workerEnv());
  },
  both: async () => {
    await worker.kill();
    runtime = await runtime.killAndRestart();
    worker = await startWorkerProcess("crash-worker.mjs", workerEnv());
  },
};

describe.each(["runtime", "worker", "both"] as const)("a SIGKILL of the %s", (victim) => {
  test("in the middle of a run repeats that run alone, with the same token", async () => {
    await startBoth();
    const id = `run-${victim}`;
    outside.hold(`${id} held`);
    const url = `${runtime.ingressUrl}/scenario/run`;
    const answer = callThroughKills(url, id, id);
    await outside.arrived(`${id} held`);
    await KILLS[victim]();
    await outside.arrived(`${id} held`, 2);
    outside.release(`${id} held`);
    expect(await answer).toEqual({
      status: 200,
      body: [`${id} before done`, `${id} held done`, `${id} after done`],
    });
    expect(outside.countOf(`${id} before`)).toBe(1);
    expect(outside.countOf(`${id} after`)).toBe(1);
    expect(outside.tokensOf(`${id} held`).size).toBe(1);
  });

  test("in the middle of a sleep loses neither the sleep nor what came before it", async () => {
    await startBoth();
    const id = `sleep-${victim}`;
    const url = `${runtime.ingressUrl}/scenario/sleep`;
    const answer = callThroughKills(url, id, id);
    await until(
      () => get(`${runtime.adminUrl}/invocations?service=scenario`),
      ({ body }) => JSON.stringify(body).includes('"status":'),
    );
    await outside.arrived(`${id} before`);
    await KILLS[victim]();
    expect(await answer).toEqual({ status: 200, body: [`${id} before done`, `${id} after done`] });
    expect(outside.countOf(`${id} after`)).toBe(1);
    expect(outside.tokensOf(`${id} before`).size).toBe(1);
  });

  test("in the middle of a chain of calls creates each child once", async () => {
    await startBoth();
    const id = `chain-${victim}`;
    outside.hold("append two");
    const already = outside.countOf("append two");
    const url = `${runtime.ingressUrl}/scenario/chain`;
    const answer = callThroughKills(url, id, id);
    await outside.arrived("append two", already + 1);
    await KILLS[victim]();
    await outside.arrived("append two", already + 2);
    outside.release("append two");
    expect(await answer).toEqual({ status: 200, body: [1, 1, 1] });
    for (const key of ["one", "two", "three"]) {
      const url = `${runtime.ingressUrl}/list/${encodeURIComponent(`${id} ${key}`)}/read`;
      expect(await get(url)).toEqual({ status: 200, body: [key] });
    }
  });

  test("in the middle of a fan-out repeats only the branches without a result", async () => {
    await startBoth();
    const id = `fan-${victim}`;
    const held = [2, 5].map((i) => `${id} branch ${i}`);
    for (const step of held) outside.hold(step);
    const url = `${runtime.ingressUrl}/scenario/fanOut`;
    const answer = callThroughKills(url, id, id);
    const all = Array.from({ length: 8 }, (_, i) => `${id} branch ${i}`);
    await Promise.all(all.map((step) => outside.arrived(step)));
    await KILLS[victim]();
    await Promise.all(held.map((step) => outside.arrived(step, 2)));
    for (const step of held) outside.release(step);
    expect(await answer).toEqual({ status: 200, body: all.map((step) => `${step} done`) });
    expect(await get(`${runtime.ingressUrl}/list/${id}/read`)).toEqual({ status: 200, body: [8] });
    for (const step of all) expect(outside.tokensOf(step).size).toBe(1);
  });
});

test("of two workers one is killed while it holds running attempts: the other takes them over", async () => {
  await startBoth();
  const second = await startWorkerProcess("crash-worker.mjs", workerEnv());
  const ids = Array.from({ length: 6 }, (_, i) => `shared-${i}`);
  for (const id of ids) outside.hold(`${id} held`);
  const url = `${runtime.ingressUrl}/scenario/run`;
  const answers = ids.map((id) => callThroughKills(url, id, id));
  await Promise.all(ids.map((id) => outside.arrived(`${id} held`)));
  await worker.kill();
  await until(
    async () => outside.arrivals.filter((it) => ids.some((id) => it.step === `${id} held`)).length,
    (count) => count >= ids.length + 3,
  );
  for (const id of ids) outside.release(`${id} held`);
  for (const [i, answer] of answers.entries()) {
    expect(await answer).toMatchObject({ status: 200 });
    expect(outside.countOf(`${ids[i]} before`)).toBe(1);
    expect(outside.tokensOf(`${ids[i]} held`).size).toBe(1);
  }
  expect(second.child.exitCode).toBeNull();
});

test("a zombie comes back after its time: what it says is refused, the entry is there once", async () => {
  await startBoth({ HOLDFAST_WORKER_TIMEOUT_MS: "600" });
  outside.hold("append zombie");
  const url = `${runtime.ingressUrl}/list/zombie/appendSlowly`;
  const answer = post(url, "zombie");
  await outside.arrived("append zombie");
  worker.signal("SIGSTOP");
  const second = await startWorkerProcess("crash-worker.mjs", workerEnv());
  // The stopped worker holds the attempt until its time is over; then the second one runs the step again.
  await outside.arrived("append zombie", 2);
  outside.release("append zombie");
  expect(await answer).toEqual({ status: 200, body: 1 });
  worker.signal("SIGCONT");
  await until(
    async () => worker.log.filter((line) => line.startsWith("holdfast worker ready")).length,
    (times) => times >= 2,
  );
  expect(await post(`${runtime.ingressUrl}/list/zombie/append`, "after")).toMatchObject({
    body: 2,
  });
  expect(await get(`${runtime.ingressUrl}/list/zombie/read`)).toMatchObject({
    body: ["zombie", "after"],
  });
  expect(outside.tokensOf("append zombie").size).toBe(1);
  expect(second.child.exitCode).toBeNull();
});
