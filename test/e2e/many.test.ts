/** Many at once: a thousand keys side by side, a thousand calls on one key in their order. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { get, post, send, until } from "./support/ingress.ts";
import { OutsideService } from "./support/outside-service.ts";
import { startRuntimeProcess, startWorkerProcess, stopAll } from "./support/processes.ts";
import type { RuntimeProcess } from "./support/processes.ts";

let runtime: RuntimeProcess;
let outside: OutsideService;

beforeAll(async () => {
  outside = await OutsideService.start();
  runtime = await startRuntimeProcess();
  const env = { HOLDFAST_URL: runtime.workerUrl, OUTSIDE_URL: outside.url };
  await startWorkerProcess("crash-worker.mjs", env);
});
afterAll(async () => {
  await stopAll();
  await outside.close();
});

async function inGroups<T>(
  count: number,
  atOnce: number,
  act: (i: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      results[i] = await act(i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

test("a thousand keys in parallel each get their own answer", async () => {
  const answers = await inGroups(1_000, 64, (i) =>
    post(`${runtime.ingressUrl}/list/key-${i}/append`, i),
  );
  expect(answers.every((it) => it.status === 200 && it.body === 1)).toBe(true);
  const second = await inGroups(1_000, 64, (i) =>
    post(`${runtime.ingressUrl}/list/key-${i}/append`, -i),
  );
  expect(second.every((it) => it.status === 200 && it.body === 2)).toBe(true);
});

test("a thousand calls on one key take effect once each, in the order in which they were accepted", async () => {
  const url = `${runtime.ingressUrl}/list/hot/append`;
  for (let i = 0; i < 1_000; i++) await send(url, i);
  const expected = Array.from({ length: 1_000 }, (_, i) => i);
  const { body } = await until(
    () => get(`${runtime.ingressUrl}/list/hot/read`),
    (answer) => Array.isArray(answer.body) && answer.body.length >= 1_000,
  );
  expect(body).toEqual(expected);
});
