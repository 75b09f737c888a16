/**
 * What the check of the order of system calls says of recordings that are made up.
 *
 * Found by a recording in CI: a batch of more than half the log had gone to the rows, as it has to, and
 * the answer that waited for it was called too early: only records of the log had counted as durable.
 */
import { expect, test } from "vitest";
import { brokenOrder } from "./support/check-order.ts";
import { DATA_FILE, type DiskWrite, type Recording } from "./support/recording.ts";

const NOBODY_REPEATED = new Set<string>();
const LOG = "commit log 1";

const write = (file: string, synced: boolean, startLine: number, endLine: number): DiskWrite => ({
  file,
  offset: 0,
  bytes: Buffer.alloc(0),
  synced,
  startLine,
  endLine,
});

/** The pages of LMDB, their flush, and the meta page. */
const rowsCommit = (firstLine: number): Pick<Recording, "writes" | "flushes"> => ({
  writes: [
    write(DATA_FILE, false, firstLine, firstLine),
    write(DATA_FILE, true, firstLine + 2, firstLine + 2),
  ],
  flushes: [{ file: DATA_FILE, startLine: firstLine + 1, endLine: firstLine + 1 }],
});

/** One connection: its answers stand on these lines. */
function recording(answers: readonly number[], disk: Partial<Recording>): Recording {
  const acknowledgements = answers.map((line) => ({
    line,
    status: 200,
    id: `inv_${line}`,
    body: "",
    socket: "1",
  }));
  return { writes: [], flushes: [], names: [], goes: [], lastLine: 100, acknowledgements, ...disk };
}

test.each([
  [
    "a record of the log that began after the answer before it",
    { writes: [write(LOG, true, 12, 14)] },
  ],
  ["a commit of the rows that began after the answer before it", rowsCommit(12)],
])("an answer may follow %s", (_, disk) => {
  expect(brokenOrder(recording([10, 20, 30], disk), new Set(["inv_10"]))).toEqual([]);
});

test.each([
  ["nothing", {}],
  ["a record of the log that is not durable yet", { writes: [write(LOG, true, 12, 22)] }],
  ["a record of the log that was begun before it was asked", { writes: [write(LOG, true, 8, 14)] }],
  ["a write through a descriptor that does not flush", { writes: [write(LOG, false, 12, 14)] }],
  ["a commit of the rows that was begun before it was asked", rowsCommit(9)],
  ["a commit of the rows whose meta page comes later", rowsCommit(18)],
])("an answer after %s is too early", (_, disk) => {
  expect(brokenOrder(recording([10, 20, 30], disk), new Set(["inv_10"]))).toEqual([
    "line 20: inv_20 is answered before a commit is durable",
  ]);
});

test("a meta page that is written before its pages are flushed is told", () => {
  const { writes } = rowsCommit(5);
  expect(brokenOrder(recording([], { writes }), NOBODY_REPEATED)).toEqual([
    "line 7: a meta page is written, its pages are not flushed",
  ]);
});
