/**
 * What the order of the system calls shows by itself, without any image: the pages of LMDB are flushed
 * before their meta page is written, and an answer comes after a commit is durable.
 */
import { DATA_FILE, type Acknowledgement, type Recording } from "./recording.ts";

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

/** Records of the log, and commits of the rows: a batch that is too large for the log goes there. */
function durableCommits({ writes }: Recording): { startLine: number; endLine: number }[] {
  let firstPage: number | undefined;
  return writes.flatMap(({ file, synced, startLine, endLine }) => {
    if (file !== DATA_FILE) return synced ? [{ startLine, endLine }] : [];
    firstPage ??= startLine;
    if (!synced) return [];
    const commit = { startLine: firstPage, endLine };
    firstPage = undefined;
    return [commit];
  });
}
