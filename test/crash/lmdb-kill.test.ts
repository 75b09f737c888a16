/**
 * A process that commits is killed, again and again, on one directory. Whatever it said was durable
 * is there, and what is there is the work of whole batches up to some number.
 */
import { afterEach, expect, test } from "vitest";
import { openDirectory } from "../../runtime/store/directory.ts";
import type { Store } from "../../runtime/store/store.ts";
import { text } from "../contract/store.contract.ts";
import { startChild, stopChildren } from "../support/child.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

afterEach(async () => {
  await stopChildren();
  await removeTemporaryDirectories();
});

test("after a SIGKILL the store holds a prefix of the batches, with every acknowledged one", async () => {
  const dataDir = await temporaryDirectory();
  let epoch = 0;
  for (const acknowledgements of [1, 2, 9, 30, 70, 1]) {
    const child = startChild(new URL("./processes/commit-forever.mjs", import.meta.url), dataDir);
    let acknowledged = 0;
    for (let i = 0; i < acknowledgements; i++) acknowledged = Number(await child.nextLine());
    await child.kill("SIGKILL");
    // What it said between our last look and its death counts too.
    for (let line = await child.nextLine(); line !== undefined; line = await child.nextLine()) {
      acknowledged = Number(line);
    }
    const opened = await openDirectory(dataDir);
    const { store } = opened;
    expect(store.batchNumber).toBeGreaterThanOrEqual(acknowledged);
    expect(store.epoch).toBe(epoch + 2);
    epoch = store.epoch;
    expectPrefix(store);
    await opened.close();
  }
});

/** The rows are those that batches 1 to `batchNumber` leave, and no others. */
function expectPrefix(store: Store): void {
  const n = store.batchNumber;
  expect(text(store.get("last"))).toBe(`${n}`);
  const kept = Array.from({ length: Math.min(n, 10) }, (_, i) => n - i);
  const found = store.range({ from: "k", to: "l", limit: 100 });
  expect(found.map(([key, value]) => [key, text(value)])).toEqual(
    kept.map((it) => [`k${it}`, `value ${it}`]).sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
  );
  const many = store.range({ from: "m", to: "n", limit: 2_000 });
  expect(many.length).toBe(1_000);
  expect(many.every(([, value]) => text(value) === `${n}`)).toBe(true);
  const large = store.get("large");
  expect(large?.length).toBe((n % 4) * 200_000);
  expect(large?.every((byte) => byte === (n & 255))).toBe(true);
}
