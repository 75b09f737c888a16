/** One runtime per data directory, tried with real processes that are really killed. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { lockDirectory } from "../../runtime/store/directory-lock.ts";
import { startChild, stopChildren, type Child } from "../support/child.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

const hold = (directory: string): Child =>
  startChild(new URL("./processes/hold-lock.mjs", import.meta.url), directory);

afterEach(async () => {
  await stopChildren();
  await removeTemporaryDirectories();
});

describe("a directory that a live process holds", () => {
  test("is refused to another, by its name and the holder's pid", async () => {
    const directory = await temporaryDirectory();
    const holder = hold(directory);
    expect(await holder.nextLine()).toBe("held");
    const refused = lockDirectory(directory);
    await expect(refused).rejects.toMatchObject({ name: "DirectoryInUseError" });
    await expect(refused).rejects.toThrow(directory);
    await expect(refused).rejects.toThrow(`pid ${holder.pid}`);
  });

  test("is refused although the holder is stopped and answers nobody", async () => {
    const directory = await temporaryDirectory();
    const holder = hold(directory);
    expect(await holder.nextLine()).toBe("held");
    holder.signal("SIGSTOP");
    await expect(lockDirectory(directory)).rejects.toMatchObject({ name: "DirectoryInUseError" });
  });

  test("is refused within one process too", async () => {
    const directory = await temporaryDirectory();
    const lock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({ name: "DirectoryInUseError" });
    await lock.release();
  });

  test("is free as soon as the holder was killed", async () => {
    const directory = await temporaryDirectory();
    for (let round = 0; round < 3; round++) {
      const holder = hold(directory);
      expect(await holder.nextLine()).toBe("held");
      await holder.kill("SIGKILL");
    }
    const lock = await lockDirectory(directory);
    await lock.release();
  });
});

test("of many processes that find a dead holder at the same time, one gets the directory", async () => {
  const directory = await temporaryDirectory();
  const dead = hold(directory);
  expect(await dead.nextLine()).toBe("held");
  await dead.kill("SIGKILL");
  const lines = await Promise.all(Array.from({ length: 6 }, () => hold(directory).nextLine()));
  expect(lines.filter((it) => it === "held").length).toBe(1);
  expect(lines.filter((it) => it?.startsWith("DirectoryInUseError")).length).toBe(5);
});

test("of many attempts within one process, one gets the directory", async () => {
  const directory = await temporaryDirectory();
  for (let round = 0; round < 20; round++) {
    const attempts = Array.from({ length: 8 }, () => lockDirectory(directory));
    const outcomes = await Promise.allSettled(attempts);
    const locks = outcomes.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
    expect(locks.length).toBe(1);
    for (const lock of locks) await lock.release();
  }
});

test("a directory whose path is too long for a socket is locked all the same", async () => {
  const directory = join(await temporaryDirectory(), "d".repeat(100), "e".repeat(100));
  await mkdir(directory, { recursive: true });
  const lock = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toMatchObject({ name: "DirectoryInUseError" });
  const holder = hold(directory);
  expect(await holder.nextLine()).toContain("DirectoryInUseError");
  await lock.release();
  const next = hold(directory);
  expect(await next.nextLine()).toBe("held");
});

test("what holders leave behind does not pile up", async () => {
  const directory = await temporaryDirectory();
  for (let round = 0; round < 10; round++) await (await lockDirectory(directory)).release();
  expect((await readdir(join(directory, "lock"))).sort()).toEqual(["owner-10", "owner-9"]);
});
