/**
 * What the check of the order of system calls says of recordings that are made up.
 *
 * Found by a recording in CI: a batch of more than half the log had gone to the rows, as it has to, and
 * the answer that waited for it was called too early: only records of the log had counted as durable.
 */
import { expect, test } from "vitest";
import { brokenOrder } from "./support/check-order.ts";
import { encodeBatch } from "../../runtime/store/batch.ts";
import { RECORD_HEADER_BYTES } from "../../runtime/store/log-file.ts";
import { DATA_FILE, type DiskWrite, type Recording } from "./support/recording.ts";

const NOBODY_REPEATED = new Set<string>();
const LOG = "commit log 1";

const write = (
  file: string,
  synced: boolean,
  startLine: number,
  endLine: number,
  bytes = Buffer.alloc(0),
): DiskWrite => ({ file, offset: 0, bytes, synced, startLine, endLine });

/** An append of this batch to the log. */
function record(number: number, startLine: number, endLine: number, synced = true): DiskWrite {
  const batch = encodeBatch({ partition: 0, epoch: 1, number, previous: "" }, []);
  const bytes = Buffer.concat([Buffer.alloc(RECORD_HEADER_BYTES), batch]);
  return write(LOG, synced, startLine, endLine, bytes);
}

/** The pages of LMDB, and after their flush the meta page. */
const rowsCommit = (firstLine: number): DiskWrite[] => [
  write(DATA_FILE, false, firstLine, firstLine),
  write(DATA_FILE, true, firstLine + 2, firstLine + 2),
];

/** One connection: its answers stand on these lines. Each meta page has a flush on the line before it. */
function recording(answers: readonly number[], writes: readonly DiskWrite[]): Recording {
  const acknowledgements = answers.map((line) => ({
    line,
    status: 200,
    id: `inv_${line}`,
    body: "",
    socket: "1",
  }));
  const flushes = writes
    .filter((it) => it.file === DATA_FILE && it.synced)
    .map(({ file, startLine }) => ({ file, startLine: startLine - 1, endLine: startLine - 1 }));
  return { writes, flushes, names: [], goes: [], lastLine: 100, acknowledgements };
}

test.each([
  ["a record of the log that began after the answer before it", [record(1, 12, 14)]],
  ["a batch that went to the rows", [record(1, 4, 5), ...rowsCommit(12), record(3, 16, 17)]],
  ["the second of two", [record(1, 2, 3), ...rowsCommit(5), ...rowsCommit(12), record(4, 16, 17)]],
  ["what may be one, behind the last record", [record(1, 4, 5), ...rowsCommit(12)]],
])("an answer may follow %s", (_, writes) => {
  expect(brokenOrder(recording([10, 20, 30], writes), new Set(["inv_10"]))).toEqual([]);
});

test.each([
  ["nothing", []],
  ["a record of the log that is not durable yet", [record(1, 12, 22)]],
  ["a record of the log that was begun before it was asked", [record(1, 8, 14)]],
  ["a write through a descriptor that does not flush", [record(1, 12, 14, false)]],
  ["rows that bring what is in the log", [record(1, 4, 5), ...rowsCommit(12), record(2, 22, 23)]],
  [
    "those before a batch that went to the rows",
    [record(1, 4, 5), ...rowsCommit(12), ...rowsCommit(18), record(3, 22, 23)],
  ],
  ["rows that were begun before it was asked", rowsCommit(9)],
  ["rows whose meta page comes later", rowsCommit(18)],
])("an answer after %s is too early", (_, writes) => {
  expect(brokenOrder(recording([10, 20, 30], writes), new Set(["inv_10"]))).toEqual([
    "line 20: inv_20 is answered before a commit is durable",
  ]);
});

test("a meta page that is written before its pages are flushed is told", () => {
  const unflushed = { ...recording([], rowsCommit(5)), flushes: [] };
  expect(brokenOrder(unflushed, NOBODY_REPEATED)).toEqual([
    "line 7: a meta page is written, its pages are not flushed",
  ]);
});
