import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { openDirectory } from "../../runtime/store/directory.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

afterEach(removeTemporaryDirectories);

describe("a data directory", () => {
  test("is made for its owner alone, and says what is in it", async () => {
    const dataDir = join(await temporaryDirectory(), "a", "data.dir");
    const opened = await openDirectory(dataDir);
    await opened.close();
    const modeOf = async (...path: string[]): Promise<string> =>
      ((await stat(join(dataDir, ...path))).mode & 0o777).toString(8);
    expect(await modeOf()).toBe("700");
    expect(await modeOf("partitions")).toBe("700");
    expect(await modeOf("partitions", "0")).toBe("700");
    expect(await modeOf("partitions", "0", "data.mdb")).toBe("600");
    expect(await modeOf("partitions", "0", "lock.mdb")).toBe("600");
    expect(await modeOf("holdfast.json")).toBe("600");
    const facts: unknown = JSON.parse(await readFile(join(dataDir, "holdfast.json"), "utf8"));
    expect(facts).toEqual({ format: 5, slots: 4096 });
  });

  test.each(["a file", "below a file"])("that is %s is refused with its name", async (where) => {
    const file = join(await temporaryDirectory(), "file");
    await writeFile(file, "");
    const dataDir = where === "a file" ? file : join(file, "data");
    await expect(openDirectory(dataDir)).rejects.toThrow(
      `${dataDir} is no directory and cannot be made one`,
    );
  });

  /**
   * Below /proc nothing can be made, and Node's recursive mkdir tries for ever: `holdfast start` took a
   * whole core, and never said a word.
   */
  test.runIf(process.platform === "linux")("where none can be made is refused", async () => {
    await expect(openDirectory("/proc/holdfast/data")).rejects.toThrow(
      "/proc/holdfast/data is no directory and cannot be made one",
    );
  });

  /**
   * Found by the power-loss images: LMDB writes the first two pages of a new file without a flush in
   * between, and dies (SIGSEGV) of a file with only one of them. A first start that lost its power
   * there left a directory that no later start survived. So a store is made under another name.
   */
  test("whose first start was cut off in the middle of a page starts like a new one", async () => {
    const dataDir = await temporaryDirectory();
    const first = await openDirectory(dataDir);
    await first.close();
    const partition = join(dataDir, "partitions", "0");
    await rename(partition, `${partition}.new`);
    await truncate(join(`${partition}.new`, "data.mdb"), 4_096);
    const second = await openDirectory(dataDir);
    expect(second.store.epoch).toBe(1);
    await second.close();
    expect(await readdir(join(dataDir, "partitions"))).toEqual(["0"]);
  });

  test("is closed for others until it is closed for good", async () => {
    const dataDir = await temporaryDirectory();
    const first = await openDirectory(dataDir);
    await expect(openDirectory(dataDir)).rejects.toMatchObject({ name: "DirectoryInUseError" });
    await first.close();
    const second = await openDirectory(dataDir);
    expect(second.store.epoch).toBe(first.store.epoch + 1);
    await second.close();
  });
});

describe("data that this version does not know", () => {
  test.each([
    [
      "of an older format",
      { format: 4, slots: 4096 },
      /format 4, written by an older .* reads format 5/,
    ],
    [
      "of a newer format",
      { format: 6, slots: 4096 },
      /format 6, written by a newer .* reads format 5/,
    ],
    ["of a format without a number", {}, /format undefined, written by another/],
    ["in other slots", { format: 5, slots: 1024 }, /1024 slots, .* uses 4096/],
    ["that is not even an object", null, /format undefined/],
  ])("is refused when it is %s, and left as it is", async (_, facts, message) => {
    const dataDir = await temporaryDirectory();
    const file = join(dataDir, "holdfast.json");
    await writeFile(file, JSON.stringify(facts));
    for (let i = 0; i < 2; i++) {
      const refused = openDirectory(dataDir);
      await expect(refused).rejects.toMatchObject({ name: "UnknownFormatError" });
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.toThrow(dataDir);
    }
    expect(await readFile(file, "utf8")).toBe(JSON.stringify(facts));
    await expect(stat(join(dataDir, "partitions"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("is refused when its format cannot be read, or is gone", async () => {
    const dataDir = await temporaryDirectory();
    const file = join(dataDir, "holdfast.json");
    await writeFile(file, "not JSON");
    await expect(openDirectory(dataDir)).rejects.toThrow("not readable as JSON");
    await rm(file);
    await mkdir(join(dataDir, "partitions"));
    const refused = openDirectory(dataDir);
    await expect(refused).rejects.toMatchObject({ name: "UnknownFormatError" });
    await expect(refused).rejects.toThrow("holds data, but holdfast.json");
  });
});
