import { describe, expect, test } from "vitest";
import type { Input } from "../runtime/core/input.ts";
import { createDiskGuard } from "../runtime/disk-guard.ts";

const MIB = 2 ** 20;

class Disk {
  readonly told: Input[] = [];
  readonly lines: string[] = [];
  #free: number | Error = 0;
  readonly guard = createDiskGuard({
    directory: "/data",
    freeBytesMin: 100 * MIB,
    submit: (input) => this.told.push(input),
    log: { warn: (_facts: unknown, line?: string) => this.lines.push(line ?? "") },
    freeBytes: async () => {
      if (this.#free instanceof Error) throw this.#free;
      return this.#free;
    },
  });

  async has(free: number | Error): Promise<void> {
    this.#free = free;
    await this.guard.check();
  }
}

const LOW = { kind: "disk-space", low: true };
const ROOM = { kind: "disk-space", low: false };

describe("free space", () => {
  test("below the limit is told once, and room again only with a quarter more", async () => {
    const disk = new Disk();
    for (const free of [200, 101, 100]) await disk.has(free * MIB);
    expect(disk.told).toEqual([]);
    for (const free of [99.9, 50, 99, 101, 124]) await disk.has(free * MIB);
    expect(disk.told).toEqual([LOW]);
    for (const free of [125, 101, 100]) await disk.has(free * MIB);
    expect(disk.told).toEqual([LOW, ROOM]);
    await disk.has(0);
    expect(disk.told).toEqual([LOW, ROOM, LOW]);
    expect(disk.lines).toEqual([
      "the disk is nearly full: nothing new is accepted, running work goes on",
      "the disk has room again: new work is accepted",
      "the disk is nearly full: nothing new is accepted, running work goes on",
    ]);
  });

  test("that cannot be read changes nothing, and is said once", async () => {
    const disk = new Disk();
    await disk.has(1);
    for (let i = 0; i < 3; i++) await disk.has(new Error("EIO"));
    expect(disk.told).toEqual([LOW]);
    expect(disk.lines.filter((it) => it === "free disk space is not known").length).toBe(1);
    await disk.has(200 * MIB);
    expect(disk.told).toEqual([LOW, ROOM]);
  });

  test("is not watched when the limit is 0", async () => {
    const told: Input[] = [];
    const guard = createDiskGuard({
      directory: "/data",
      freeBytesMin: 0,
      submit: (input) => told.push(input),
      log: { warn: () => undefined },
      freeBytes: async () => 0,
    });
    await guard.check();
    guard.start();
    guard.stop();
    expect(told).toEqual([]);
  });

  test("of a real directory is known", async () => {
    const told: Input[] = [];
    const guard = createDiskGuard({
      directory: import.meta.dirname,
      freeBytesMin: Number.MAX_SAFE_INTEGER,
      submit: (input) => told.push(input),
      log: { warn: () => undefined },
    });
    await guard.check();
    expect(told).toEqual([LOW]);
  });
});
