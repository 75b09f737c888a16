import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { watchCommit } from "../../runtime/store/commit-watch.ts";
import { FencedError } from "../../runtime/store/store.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new Promise<void>(() => undefined);

describe("a commit", () => {
  test("passes its outcome on, and leaves no timer behind", async () => {
    await watchCommit(Promise.resolve(), 1);
    const fenced = Promise.reject(new FencedError("another runtime"));
    await expect(watchCommit(fenced, 2)).rejects.toThrow(FencedError);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that takes 10 s is told of, and fails with an unknown outcome after 30 s", async () => {
    const slow: number[] = [];
    const watched = watchCommit(never, 7, { onSlowCommit: (ms) => slow.push(ms) });
    const outcome = watched.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(slow).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(slow).toEqual([10_000]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await outcome).toMatchObject({
      name: "CommitFailedError",
      message: "batch 7 is not on disk after 30000 ms; its outcome is unknown",
    });
    expect(slow).toEqual([10_000]);
  });

  test("that is given up before it would have been told of is not told of any more", async () => {
    const slow: number[] = [];
    const watch = { onSlowCommit: (ms: number) => slow.push(ms), commitTimeoutMs: 50 };
    const outcome = watchCommit(never, 7, watch).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(50);
    expect(await outcome).toMatchObject({ name: "CommitFailedError" });
    expect(vi.getTimerCount()).toBe(0);
    expect(slow).toEqual([]);
  });

  test("that is rejected tells the reason that lmdb-js keeps in a second promise", async () => {
    const rejected = (commitError?: Promise<never>): Promise<void> =>
      Promise.reject(Object.assign(new Error("Commit failed"), { commitError }));
    await expect(
      watchCommit(rejected(Promise.reject(new Error("Input/output error"))), 7),
    ).rejects.toThrow("batch 7 could not be written: Input/output error");
    await expect(watchCommit(rejected(new Promise(() => undefined)), 8)).rejects.toThrow(
      "batch 8 could not be written: Commit failed",
    );
  });

  test("that is rejected after it was given up disturbs nobody", async () => {
    let reject: (error: Error) => void = () => undefined;
    const commit = new Promise<void>((_, no) => {
      reject = no;
    });
    const outcome = watchCommit(commit, 7).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(String(await outcome)).toContain("unknown");
    const commitError = Promise.reject(new Error("EIO"));
    reject?.(Object.assign(new Error("Commit failed"), { commitError }));
    // An unhandled rejection would fail this file.
    await new Promise((resolve) => setImmediate(resolve));
  });
});
