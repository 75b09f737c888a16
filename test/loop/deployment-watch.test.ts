import { expect, test } from "vitest";
import type { WorkerLack } from "../../runtime/admin/deployments.ts";
import { watchDeployments } from "../../runtime/deployment-watch.ts";

class World {
  lacks: WorkerLack[] | Error = [];
  readonly warnings: unknown[] = [];
  readonly stop: () => void;
  intervalMs = 0;
  #look: (() => Promise<void>) | undefined;

  constructor() {
    this.stop = watchDeployments({
      look: () =>
        this.lacks instanceof Error ? Promise.reject(this.lacks) : Promise.resolve(this.lacks),
      log: { warn: (...said: unknown[]) => this.warnings.push(said) },
      every: (intervalMs, look) => {
        this.intervalMs = intervalMs;
        this.#look = look;
        return () => (this.#look = undefined);
      },
    });
  }

  async look(): Promise<number> {
    await this.#look?.();
    return this.warnings.length;
  }
}

const lack = (version: string): WorkerLack => ({
  version,
  invocations: 3,
  warning: "3 open invocations are pinned to it, and no worker of it is connected",
});

test("a deployment that has work and no worker is warned of, once", async () => {
  const world = new World();
  expect([await world.look(), world.intervalMs]).toEqual([0, 30_000]);
  world.lacks = [lack("v1")];
  expect([await world.look(), await world.look()]).toEqual([1, 1]);
  expect(world.warnings).toEqual([
    [
      { deployment: "v1", invocations: 3 },
      "deployment v1: 3 open invocations are pinned to it, and no worker of it is connected",
    ],
  ]);
  world.lacks = [lack("v1"), lack("v2")];
  expect(await world.look()).toBe(2);
});

test("and once more when it had a worker in between", async () => {
  const world = new World();
  world.lacks = [lack("v1")];
  await world.look();
  world.lacks = [];
  await world.look();
  world.lacks = [lack("v1")];
  expect(await world.look()).toBe(2);
});

test("a runtime that has been replaced says nothing", async () => {
  const world = new World();
  world.lacks = [lack("v1")];
  await world.look();
  world.lacks = new Error("fenced");
  await world.look();
  world.lacks = [lack("v1")];
  expect(await world.look()).toBe(1);
  world.stop();
  world.lacks = [lack("v2")];
  expect(await world.look()).toBe(1);
});
