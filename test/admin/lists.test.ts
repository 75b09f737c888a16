/** Lists of invocations and deployments, from rows. */
import { describe, expect, test } from "vitest";
import { handler, serviceOf } from "../support/core-harness.ts";
import { AdminHarness } from "./support.ts";

/** Rows that ranges have given from now on. */
function countReads(h: AdminHarness): () => number {
  let read = 0;
  const range = h.tx.range.bind(h.tx);
  h.tx.range = (it) => {
    const rows = range(it);
    read += rows.length;
    return rows;
  };
  return () => read;
}

describe("invocations", () => {
  test("come in pages of what matches, in the order of acceptance", async () => {
    const h = new AdminHarness();
    h.connect(1);
    const ids = Array.from({ length: 700 }, (_, i) => h.accept(`counter/k${i % 7}/add`));
    const wanted = ids.filter((_, i) => i % 7 === 3);
    const filter = { key: "k3", statuses: [] };
    const found: string[] = [];
    let after: number | null = null;
    do {
      const page = await h.reads.listInvocations(filter, { limit: 30, after });
      found.push(...page.invocations.map((it) => it.id));
      after = page.next;
    } while (after !== null);
    expect(found).toEqual(wanted);
  });

  test("that run are found without looking at the others", async () => {
    const h = new AdminHarness();
    h.connect(1, { concurrency: 1_000 });
    for (let i = 0; i < 500; i++) h.accept("greeter/greet", 60_000);
    const ids = Array.from({ length: 5 }, () => h.accept("greeter/greet"));
    const read = countReads(h);
    const pages: string[][] = [];
    let after: number | null = null;
    do {
      const filter = { statuses: ["running"] as const };
      const page = await h.reads.listInvocations(filter, { limit: 2, after });
      pages.push(page.invocations.map((it) => it.id));
      after = page.next;
    } while (after !== null);
    expect(pages.flat()).toEqual(ids);
    expect(read()).toBeLessThan(50);
  });

  test("can be filtered by the deployment that they are pinned to", async () => {
    const h = new AdminHarness();
    h.connect(1, { version: "v1" });
    const old = h.accept("greeter/greet");
    h.connect(2, { version: "v2" });
    h.accept("greeter/greet");
    const filter = { deployment: "v1", statuses: [] };
    const { invocations } = await h.reads.listInvocations(filter, { limit: 10, after: null });
    expect(invocations.map((it) => it.id)).toEqual([old]);
  });

  test("are counted, open and pinned", async () => {
    const h = new AdminHarness();
    h.connect(1, { version: "v1" });
    const first = h.accept("greeter/greet");
    h.accept("greeter/greet");
    h.accept("greeter/greet", 60_000);
    h.attemptOf(1, first).end("1");
    expect(await h.reads.countInvocations()).toEqual({
      open: 2,
      pinned: { v1: 1 },
      quarantined: 0,
    });
  });
});

describe("deployments", () => {
  const status = async (h: AdminHarness): Promise<unknown[]> =>
    (await h.reads.listDeployments()).map((it) => [it.version, it.status, it.invocations]);

  test("are active, draining and drained, as a new version takes over", async () => {
    const h = new AdminHarness();
    h.connect(1, { version: "v1" });
    const id = h.accept("greeter/greet");
    expect(await status(h)).toEqual([["v1", "active", 1]]);
    h.connect(2, { version: "v2" });
    expect(await status(h)).toEqual([
      ["v1", "draining", 1],
      ["v2", "active", 0],
    ]);
    h.attemptOf(1, id).end("1");
    expect(await status(h)).toEqual([
      ["v1", "drained", 0],
      ["v2", "active", 0],
    ]);
  });

  test("one that lost only some of its services is still active", async () => {
    const h = new AdminHarness();
    h.connect(1, { version: "v1" });
    const services = [serviceOf("greeter", "service", [handler("greet", "stateless")])];
    h.connect(2, { version: "v2", services });
    expect(await status(h)).toEqual([
      ["v1", "active", 0],
      ["v2", "active", 0],
    ]);
  });

  test("that have work and no worker are named with it", async () => {
    const h = new AdminHarness();
    h.connect(1, { version: "v1" });
    const warning = async (): Promise<string | null | undefined> =>
      (await h.reads.listDeployments())[0]?.warning;
    expect(await warning()).toBeNull();
    h.lose(1);
    h.accept("greeter/greet");
    expect(await warning()).toBe(
      "invocations wait for their start, and no worker of it is connected: start one with HOLDFAST_VERSION=v1",
    );
    h.connect(2, { version: "v1" });
    h.lose(2);
    expect(await warning()).toBe(
      "1 open invocation is pinned to it, and no worker of it is connected: start one with HOLDFAST_VERSION=v1",
    );
    h.workers.set("v1", { connected: 1, serving: 1 });
    expect(await warning()).toBeNull();
  });
});
