/**
 * What the order of the system calls shows by itself, without any image: the pages of LMDB are flushed
 * before their meta page is written, and an answer comes after a commit is durable.
 */
import { peekBatch } from "../../../runtime/store/batch.ts";
import { RECORD_HEADER_BYTES } from "../../../runtime/store/log-file.ts";
import {
  DATA_FILE,
  type Acknowledgement,
  type DiskWrite,
  type FileId,
  type Recording,
} from "./recording.ts";

/** @param repeated ids of invocations that may have been asked for more than once */
export function brokenOrder(recording: Recording, repeated: ReadonlySet<string>): string[] {
  return [...brokenCommits(recording), ...brokenAnswers(recording, repeated)];
}

/** Between the last page of a commit and its meta page lies a flush, from its begin to its end. */
function brokenCommits(recording: Recording): string[] {
  const writes = recording.writes.filter((it) => it.file === DATA_FILE);
  const flushes = recording.flushes.filter((it) => it.file === DATA_FILE);
  let lastPage = 0;
  return writes.flatMap((write) => {
    if (!write.synced) {
      lastPage = Math.max(lastPage, write.endLine);
      return [];
    }
    const flushed = flushes.some((it) => it.startLine > lastPage && it.endLine < write.startLine);
    return flushed
      ? []
      : [`line ${write.startLine}: a meta page is written, its pages are not flushed`];
  });
}

/**
 * The answer to a request that was made once follows a commit that began after the answer before it
 * on the same connection: a client asks only then, so the commit cannot be an older one. The last
 * answer of a connection is left out: the client may have died without it, and then nobody knows
 * whether it was asked for again.
 */
function brokenAnswers(recording: Recording, repeated: ReadonlySet<string>): string[] {
  const commits = durableCommits(recording);
  const lastOn = new Map<string, number>();
  const final = new Map(recording.acknowledgements.map((it) => [it.socket, it]));
  return recording.acknowledgements.flatMap((answer: Acknowledgement) => {
    const asked = lastOn.get(answer.socket) ?? 0;
    lastOn.set(answer.socket, answer.line);
    if (repeated.has(answer.id) || final.get(answer.socket) === answer) return [];
    return commits.some((it) => it.startLine > asked && it.endLine < answer.line)
      ? []
      : [`line ${answer.line}: ${answer.id} is answered before a commit is durable`];
  });
}

type Commit = Pick<DiskWrite, "startLine" | "endLine">;

/**
 * Records of the log, and batches that went to the rows because they are too large for it. Of the other commits
 * of the rows nobody waits for one: they bring what is in the log. A batch that is not in the log shows as
 * a number that its records pass over, and nothing is left to bring between it and the next record.
 */
function durableCommits({ writes }: Recording): Commit[] {
  const commits: Commit[] = [];
  let before: { readonly file: FileId; readonly number: number } | undefined;
  let ofRows: Commit[] = [];
  let firstPage: number | undefined;
  for (const { file, synced, startLine, endLine, bytes } of writes) {
    if (file === DATA_FILE) {
      firstPage ??= startLine;
      if (!synced) continue;
      ofRows.push({ startLine: firstPage, endLine });
      firstPage = undefined;
    } else if (synced) {
      const number = batchNumberOf(bytes);
      // What a tenure did behind its last record nobody can tell.
      const passedOver = before?.file === file ? number - before.number - 1 : ofRows.length;
      commits.push(...ofRows.slice(ofRows.length - passedOver), { startLine, endLine });
      before = { file, number };
      ofRows = [];
    }
  }
  return [...commits, ...ofRows];
}

function batchNumberOf(record: Buffer): number {
  const header = peekBatch(record.subarray(RECORD_HEADER_BYTES));
  if (header === undefined) throw new Error("a record of the commit log has no batch");
  return header.number;
}
