/** The commit log: what is appended is found again, whatever its ring has been through. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { batchDigest, encodeBatch, type Position } from "../../runtime/store/batch.ts";
import { CommitLog, readLogs } from "../../runtime/store/commit-log.ts";
import {
  fileHeader,
  followLogs,
  newSalt,
  PAGE_BYTES,
  recordHeader,
  recordSpan,
} from "../../runtime/store/log-file.ts";
import { DamagedLogError } from "../../runtime/store/store.ts";
import { removeTemporaryDirectories, temporaryDirectory } from "../support/temporary-directory.ts";

afterEach(removeTemporaryDirectories);

const PAGES = 12;
const START: Position = { number: 0, digest: "" };

/** Batches of one history. */
class History {
  position = START;
  next(valueBytes: number): Uint8Array {
    const { number, digest } = this.position;
    const header = { partition: 0, epoch: 1, number: number + 1, previous: digest };
    const batch = encodeBatch(header, [["k", new Uint8Array(valueBytes).fill(number)]]);
    this.position = { number: number + 1, digest: batchDigest(batch) };
    return batch;
  }
}

/** A log file in memory, its records one behind the other. */
function fileOf(batches: readonly Uint8Array[], salt = newSalt()): Buffer {
  const bytes = Buffer.alloc(64 * PAGE_BYTES);
  fileHeader(salt).copy(bytes);
  let at = PAGE_BYTES;
  for (const batch of batches) {
    Buffer.concat([recordHeader(salt, batch.length), batch]).copy(bytes, at);
    at += recordSpan(batch.length);
  }
  return bytes;
}

const numbersIn = (bytes: Buffer, from = START): number[] =>
  followLogs([{ path: "commit-log.1", bytes }], from).batches.map((it) => it.number);

describe("a commit log", () => {
  test("never writes over a record that was not released, and takes what there is room for", async () => {
    const act = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 * PAGE_BYTES }) },
      { weight: 1, arbitrary: fc.constant("release" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 60 }), async (acts) => {
        const directory = await temporaryDirectory();
        const log = new CommitLog(directory, 1, PAGES * PAGE_BYTES);
        const history = new History();
        let released = START;
        for (const size of acts) {
          if (size === "release") {
            log.release(log.mark());
            released = history.position;
            continue;
          }
          const before = history.position;
          const batch = history.next(size);
          expect(log.takes(batch.length)).toBe(recordSpan(batch.length) <= 5 * PAGE_BYTES);
          if (log.takes(batch.length) && log.hasRoom(batch.length)) await log.append(batch);
          else history.position = before;
          const { position } = followLogs(readLogs(directory), released);
          expect(position).toEqual(history.position);
        }
        log.close();
      }),
      { numRuns: 40 },
    );
  });

  test("has room for every batch that it takes once all is released", async () => {
    const log = new CommitLog(await temporaryDirectory(), 1, PAGES * PAGE_BYTES);
    const history = new History();
    for (let i = 0; i < 100; i++) {
      const batch = history.next(((i * 977) % 5) * PAGE_BYTES);
      if (!log.takes(batch.length)) continue;
      if (!log.hasRoom(batch.length)) log.release(log.mark());
      expect(log.hasRoom(batch.length)).toBe(true);
      await log.append(batch);
    }
    log.close();
  });

  test("has all its blocks from the beginning", async () => {
    const directory = await temporaryDirectory();
    const log = new CommitLog(directory, 7, PAGES * PAGE_BYTES);
    expect(readFileSync(join(directory, "commit-log.7")).length).toBe(PAGES * PAGE_BYTES);
    log.close();
  });

  test("that cannot be made says what it would be, and why not", async () => {
    const directory = join(await temporaryDirectory(), "a folder");
    await mkdir(join(directory, "commit-log.new"), { recursive: true });
    expect(() => new CommitLog(directory, 1, 2 ** 20)).toThrow(
      /commit-log\.1, the commit log of 1 MiB, cannot be made: EISDIR/,
    );
  });
});

describe("what a log holds", () => {
  const history = new History();
  const batches = [10, 5_000, 20, 9_000].map((size) => history.next(size));

  test("is followed from wherever the rows stand", () => {
    const bytes = fileOf(batches);
    expect(numbersIn(bytes)).toEqual([1, 2, 3, 4]);
    const [first, second] = batches.map((it) => batchDigest(it));
    expect(numbersIn(bytes, { number: 1, digest: first ?? "" })).toEqual([2, 3, 4]);
    expect(numbersIn(bytes, { number: 2, digest: second ?? "" })).toEqual([3, 4]);
    expect(numbersIn(bytes, history.position)).toEqual([]);
  });

  test("may lie in several files, of which each tenure has one", () => {
    const files = [batches.slice(0, 1), batches.slice(1)].map((it, i) => ({
      path: `commit-log.${i}`,
      bytes: fileOf(it),
    }));
    for (const logs of [files, files.toReversed()]) {
      expect(followLogs(logs, START).batches.map((it) => it.number)).toEqual([1, 2, 3, 4]);
    }
  });

  test("ends before a last record of which any part is missing or another", () => {
    const spans = batches.map((it) => recordSpan(it.length));
    const last = PAGE_BYTES + spans.slice(0, 3).reduce((a, b) => a + b);
    const length = recordHeader(newSalt(), 0).length + (batches[3]?.length ?? 0);
    for (let at = last; at < last + length; at += 7) {
      const bytes = fileOf(batches);
      bytes[at]! ^= 16;
      expect(numbersIn(bytes)).toEqual([1, 2, 3]);
    }
    for (let page = last; page < last + length; page += PAGE_BYTES) {
      const bytes = fileOf(batches);
      bytes.fill(0, page, page + PAGE_BYTES);
      expect(numbersIn(bytes)).toEqual([1, 2, 3]);
    }
  });

  test.each([1, 2, 3])(
    "is refused, and named, when record %i is damaged and others are behind it",
    (record) => {
      const bytes = fileOf(batches);
      const spans = batches.map((it) => recordSpan(it.length));
      const at = PAGE_BYTES + spans.slice(0, record - 1).reduce((a, b) => a + b, 0);
      bytes[at + 60]! ^= 1;
      const message = `batch ${record} cannot be read from the commit log commit-log.1, and batch ${record + 1} is there. Restore the data directory from a backup.`;
      expect(() => numbersIn(bytes)).toThrow(
        new DamagedLogError(message.replace(/\. Restore.*/, "")),
      );
    },
  );

  test("is refused when it begins behind where the rows stand", () => {
    expect(() => numbersIn(fileOf(batches.slice(2)))).toThrow("batch 1 cannot be read");
    expect(() => numbersIn(fileOf(batches), { number: 1, digest: "ab".repeat(16) })).toThrow(
      "batch 2 cannot be read",
    );
  });

  test("is refused when its first page is not what was written", () => {
    for (const at of [0, 7, 8, 23, 24, 27]) {
      const bytes = fileOf(batches);
      bytes[at]! ^= 1;
      expect(() => numbersIn(bytes)).toThrow("the first page of the commit log commit-log.1");
    }
    expect(() => numbersIn(Buffer.alloc(10))).toThrow(DamagedLogError);
  });

  test("is not what users store: a value that looks like a record is none", () => {
    const forged = new History();
    forged.position = { number: 6, digest: "cd".repeat(16) };
    const inside = fileOf([forged.next(10)]);
    const header = { partition: 0, epoch: 1, number: 1, previous: "" };
    // At every place of a page, so that one of them is where a page begins.
    for (let shift = 0; shift < PAGE_BYTES; shift += 1) {
      const value = Buffer.concat([
        Buffer.alloc(shift),
        inside.subarray(PAGE_BYTES, 2 * PAGE_BYTES),
      ]);
      const batch = encodeBatch(header, [["k", value]]);
      expect(numbersIn(fileOf([batch]))).toEqual([1]);
    }
  });
});
