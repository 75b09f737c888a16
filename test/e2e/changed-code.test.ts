/** A handler that changed its code under a running invocation: named on both sides, nothing damaged. */
import { afterEach, expect, test } from "vitest";
import type { InvocationDescription } from "../../runtime/admin/views.ts";
import { get, post, send, until } from "./support/ingress.ts";
import {
  startRuntimeProcess,
  startWorkerProcess,
  stopAll,
  type RuntimeProcess,
  type WorkerProcess,
} from "./support/processes.ts";

afterEach(stopAll);

/** An order placed with the original code, which then waits for its awakeable. */
class Order {
  readonly runtime: RuntimeProcess;
  readonly #env: Readonly<Record<string, string>>;
  readonly #id: string;
  #worker: WorkerProcess;

  private constructor(
    runtime: RuntimeProcess,
    given: Readonly<Record<string, string>>,
    id: string,
    worker: WorkerProcess,
  ) {
    this.runtime = runtime;
    this.#env = given;
    this.#id = id;
    this.#worker = worker;
  }

  static async place(
    more: Readonly<Record<string, string>> = {},
    code = "original",
  ): Promise<Order> {
    const runtime = await startRuntimeProcess();
    const env = { HOLDFAST_URL: runtime.workerUrl, ...more };
    const worker = await startWorkerProcess("changing-worker.mjs", { ...env, CODE: code });
    const order = new Order(
      runtime,
      env,
      await send(`${runtime.ingressUrl}/order/place`, null),
      worker,
    );
    await order.awakeable();
    return order;
  }

  async describe(): Promise<InvocationDescription> {
    const { body } = await get(`${this.runtime.adminUrl}/invocations/${this.#id}`);
    return body as InvocationDescription;
  }

  /** The same deployment, with other code. */
  async deploy(code: string): Promise<void> {
    await this.#worker.kill();
    this.#worker = await startWorkerProcess("changing-worker.mjs", { ...this.#env, CODE: code });
  }

  async resume(): Promise<void> {
    const url = `${this.runtime.adminUrl}/invocations/${this.#id}/resume`;
    expect((await fetch(url, { method: "PATCH" })).ok).toBe(true);
  }

  async awakeable(): Promise<string> {
    const description = await until(
      () => this.describe(),
      (it) => it.waitsFor.some((wait) => wait.kind === "awakeable"),
    );
    const wait = description.waitsFor.find((it) => it.kind === "awakeable");
    return wait?.kind === "awakeable" ? wait.awakeableId : "";
  }

  /** Completes what it waits for, and gives its outcome. */
  async outcome(awakeableId: string): Promise<unknown> {
    const url = `${this.runtime.ingressUrl}/restate/awakeables/${awakeableId}/resolve`;
    expect((await post(url, "go")).status).toBe(202);
    return get(`${this.runtime.ingressUrl}/restate/invocation/${this.#id}/attach`);
  }
}

test("a changed handler says what was recorded and what it did now, and goes on by itself once mended", async () => {
  const order = await Order.place();
  const awakeable = await order.awakeable();
  await order.deploy("changed");
  const stuck = await until(
    () => order.describe(),
    // It is not tried once and left alone.
    (it) => it.lastFailure?.code === 570 && it.attempts >= 4,
  );
  expect(stuck.lastFailure?.message).toContain("charge");
  expect(stuck.lastFailure?.message).toContain("reserve");
  expect(stuck.lastFailure?.entry).toMatchObject({ command: 0, kind: "run", name: "charge" });
  const waiting = await until(
    () => order.describe(),
    (it) => it.status === "backing-off",
  );
  expect(waiting.nextRetryAt).not.toBeNull();
  await order.deploy("original");
  expect(await order.outcome(awakeable)).toEqual({ status: 200, body: "charged" });
});

test("one that its policy paused meanwhile goes on once mended and resumed", async () => {
  const order = await Order.place({ MAX_ATTEMPTS: "2" });
  const awakeable = await order.awakeable();
  await order.deploy("changed");
  const paused = await until(
    () => order.describe(),
    (it) => it.status === "paused",
  );
  expect(paused.lastFailure?.code).toBe(570);
  await order.deploy("original");
  expect((await order.describe()).status).toBe("paused");
  await order.resume();
  expect(await order.outcome(awakeable)).toEqual({ status: 200, body: "charged" });
});

test("a change under ctx.patched leaves what is in flight as it was, and takes what is new", async () => {
  const before = await Order.place();
  const awakeable = await before.awakeable();
  await before.deploy("patched");
  expect(await before.outcome(awakeable)).toEqual({ status: 200, body: "charged" });
  await stopAll();
  // Recorded with the patch; then the old branch and the check are taken out.
  const after = await Order.place({}, "patched");
  const next = await after.awakeable();
  await after.deploy("changed");
  expect(await after.outcome(next)).toEqual({ status: 200, body: "reserved" });
});
