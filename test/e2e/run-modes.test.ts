/**
 * A step in each of its modes, with real processes killed while the outside holds its request: what the
 * outside saw is counted there.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { callThroughKills, get, until } from "./support/ingress.ts";
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

beforeAll(async () => {
  outside = await OutsideService.start();
});
afterAll(() => outside.close());
afterEach(stopAll);

async function startWorker(): Promise<void> {
  const env = { HOLDFAST_URL: runtime.workerUrl, OUTSIDE_URL: outside.url };
  worker = await startWorkerProcess("modes-worker.mjs", env);
}

const KILLS = {
  runtime: async () => {
    runtime = await runtime.killAndRestart();
  },
  worker: async () => {
    await worker.kill();
    await startWorker();
  },
  both: async () => {
    await worker.kill();
    runtime = await runtime.killAndRestart();
    await startWorker();
  },
};

describe.each(["runtime", "worker", "both"] as const)(
  "a SIGKILL of the %s in the middle of a step",
  (victim) => {
    /** Calls the handler, kills while the outside holds its step, and gives the id and the answer. */
    async function cutOff(handler: string, more: { readonly find?: string } = {}) {
      runtime = await startRuntimeProcess();
      await startWorker();
      const id = `${handler} ${victim} ${more.find ?? ""}`;
      if (more.find !== undefined) outside.answerWith(`${id} find`, more.find);
      outside.hold(`${id} charge`);
      const url = `${runtime.ingressUrl}/steps/${handler}`;
      const answer = callThroughKills(url, id, id);
      await outside.arrived(`${id} charge`);
      await KILLS[victim]();
      return { id, answer };
    }

    test("that is at-least-once: it arrives twice, with the same token", async () => {
      const { id, answer } = await cutOff("atLeastOnce");
      await outside.arrived(`${id} charge`, 2);
      outside.release(`${id} charge`);
      expect(await answer).toEqual({ status: 200, body: `${id} charge done` });
      expect(outside.countOf(`${id} charge`)).toBe(2);
      expect(outside.tokensOf(`${id} charge`).size).toBe(1);
    });

    test("that is at-most-once: it arrives once, and the handler is told by which token to ask", async () => {
      const { id, answer } = await cutOff("atMostOnce");
      const [token] = outside.tokensOf(`${id} charge`);
      expect(await answer).toEqual({ status: 200, body: { interrupted: "charge", token } });
      expect(outside.countOf(`${id} charge`)).toBe(1);
    });

    test("that has a probe: what the outside had done is the result, and arrives once", async () => {
      const { id, answer } = await cutOff("probe");
      expect(await answer).toEqual({ status: 200, body: `${id} find done` });
      expect(outside.countOf(`${id} charge`)).toBe(1);
      expect(outside.tokensOf(`${id} find`)).toEqual(outside.tokensOf(`${id} charge`));
    });

    test("that has a probe: what the outside had not done arrives again, with the same token", async () => {
      const { id, answer } = await cutOff("probe", { find: "none" });
      await outside.arrived(`${id} charge`, 2);
      outside.release(`${id} charge`);
      expect(await answer).toEqual({ status: 200, body: `${id} charge done` });
      expect(outside.countOf(`${id} charge`)).toBe(2);
      expect(outside.countOf(`${id} find`)).toBe(1);
      expect(outside.tokensOf(`${id} charge`).size).toBe(1);
    });
  },
);

test("an at-most-once step that got its answer is not interrupted by a kill right after it", async () => {
  runtime = await startRuntimeProcess();
  await startWorker();
  const id = "at most once, answered";
  const answer = callThroughKills(`${runtime.ingressUrl}/steps/atMostOnce`, id, id);
  expect(await answer).toEqual({ status: 200, body: `${id} charge done` });
  await KILLS.both();
  const again = await callThroughKills(`${runtime.ingressUrl}/steps/atMostOnce`, id, id);
  expect(again).toEqual({ status: 200, body: `${id} charge done` });
  expect(outside.countOf(`${id} charge`)).toBe(1);
});

test("a key that kills its worker each time does not keep the others from getting on", async () => {
  runtime = await startRuntimeProcess();
  const env = { HOLDFAST_URL: runtime.workerUrl };
  let over = false;
  let lives = 0;
  // What a supervisor does: whenever the worker dies there is another one.
  const supervised = (async () => {
    while (!over) {
      lives++;
      const life = await startWorkerProcess("poison-worker.mjs", env).catch(() => undefined);
      await life?.exited;
    }
  })();
  const first = await until(
    () => callThroughKills(`${runtime.ingressUrl}/list/warm/fill`, 1, "warm"),
    ({ status }) => status === 200,
  );
  expect(first.body).toBe(1);
  await callThroughKills(`${runtime.ingressUrl}/list/poison/fill/send`, 1, "poison");
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
  const answers = keys.map((key) =>
    callThroughKills(`${runtime.ingressUrl}/list/${key}/fill`, 20, key),
  );
  for (const answer of answers) expect(await answer).toEqual({ status: 200, body: 20 });
  const poison = await until(
    () => get(`${runtime.adminUrl}/invocations?service=list&status=backing-off`),
    ({ body }) => JSON.stringify(body).includes("may be what ends the worker"),
  );
  expect(JSON.stringify(poison.body)).toContain("poison");
  // It waits for longer and longer: the worker lives while it does.
  expect(lives).toBeLessThan(20);
  over = true;
  await stopAll();
  await supervised;
});
