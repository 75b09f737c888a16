import { describe, expect, test } from "vitest";
import { Committer } from "../../runtime/committer.ts";
import { decodeBatch } from "../../runtime/store/batch.ts";
import { MemoryDisk, MemoryStore } from "../../runtime/store/memory.ts";
import { Overlay } from "../../runtime/store/overlay.ts";

const MIB = 1024 * 1024;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class World {
  readonly disk = new MemoryDisk();
  readonly store = MemoryStore.open({ disk: this.disk, completion: "manual" });
  readonly overlay = new Overlay(this.store, 0);
  readonly durable: number[] = [];
  readonly fatal: Error[] = [];
  readonly submitted: { readonly number: number; readonly keys: string[] }[] = [];
  readonly committer: Committer;
  now = 1_000;

  constructor(commitsInFlightMax = 1) {
    const commit = this.store.commit.bind(this.store);
    this.store.commit = (bytes) => {
      const { number, writes } = decodeBatch(bytes);
      this.submitted.push({ number, keys: writes.map((it) => it.key) });
      return commit(bytes);
    };
    this.committer = new Committer({
      store: this.store,
      overlay: this.overlay,
      partition: 0,
      clock: { nowMs: () => this.now },
      commitsInFlightMax,
      onSeal: () => undefined,
      onDurable: (number) => {
        this.durable.push(number);
        this.committer.commitIfDue();
      },
      onFatal: (error) => this.fatal.push(error),
    });
  }

  write(key: string, sizeBytes = 1): void {
    this.overlay.put(key, new Uint8Array(sizeBytes));
    this.committer.touch();
    this.committer.commitIfDue();
  }

  async complete(): Promise<void> {
    this.store.completeNext();
    await settle();
  }
}

describe("a batch", () => {
  test("that somebody waits for is sealed at once if a slot is free, else as soon as one is", async () => {
    const world = new World();
    world.committer.demand();
    world.write("a");
    world.committer.demand();
    world.write("b");
    world.write("c");
    expect(world.submitted).toEqual([{ number: 1, keys: ["a"] }]);
    await world.complete();
    expect(world.submitted[1]).toEqual({ number: 2, keys: ["b", "c"] });
    expect(world.durable).toEqual([1]);
    await world.complete();
    expect(world.durable).toEqual([1, 2]);
    expect(world.committer.busy).toBe(false);
  });

  test("that nobody waits for is sealed 10 ms after it was opened, and not before", () => {
    const world = new World();
    world.write("a");
    world.now += 9;
    world.write("b");
    expect([world.submitted, world.committer.sealAtMs()]).toEqual([[], 1_010]);
    world.now += 1;
    world.committer.commitIfDue();
    expect(world.submitted).toEqual([{ number: 1, keys: ["a", "b"] }]);
    expect(world.committer.sealAtMs()).toBeUndefined();
  });

  test("does not stay open because the clock was set back", () => {
    const world = new World();
    world.write("a");
    world.now -= 3_600_000;
    world.committer.commitIfDue();
    expect(world.submitted.length).toBe(1);
  });

  test("of a mebibyte is sealed though no slot is free, and none grows far beyond", async () => {
    const world = new World();
    for (let i = 0; i < 6; i++) world.write(`k${i}`, 0.6 * MIB);
    expect(world.submitted).toEqual([{ number: 1, keys: ["k0", "k1"] }]);
    expect(world.committer.undurableBytes).toBeGreaterThan(3.6 * MIB);
    for (let i = 0; i < 3; i++) await world.complete();
    expect(world.submitted.map((it) => it.keys)).toEqual([
      ["k0", "k1"],
      ["k2", "k3"],
      ["k4", "k5"],
    ]);
    expect(world.durable).toEqual([1, 2, 3]);
    expect([world.committer.undurableBytes, world.committer.busy]).toEqual([0, false]);
  });

  test("does not wait for the one before it where two may be in flight", async () => {
    const world = new World(2);
    for (const key of ["a", "b", "c"]) {
      world.committer.demand();
      world.write(key);
    }
    expect(world.submitted.map((it) => it.number)).toEqual([1, 2]);
    await world.complete();
    expect(world.submitted.map((it) => it.number)).toEqual([1, 2, 3]);
    await world.complete();
    await world.complete();
    expect(world.durable).toEqual([1, 2, 3]);
    expect(world.disk.rows.entries().map(([key]) => key)).toEqual(["a", "b", "c"]);
  });
});

test("after a failed commit nothing is submitted, and nothing is called durable", async () => {
  const world = new World(2);
  for (const key of ["a", "b", "c"]) {
    world.committer.demand();
    world.write(key);
  }
  world.store.failNext(new Error("EIO"));
  await settle();
  expect(world.fatal.map((it) => it.message)).toEqual(["EIO"]);
  expect(world.durable).toEqual([]);
  world.committer.demand();
  world.write("d");
  expect(world.submitted.length).toBe(2);
});
