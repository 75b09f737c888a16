/**
 * What the order of the system calls shows by itself, without any image: the pages of a commit are
 * flushed before its meta page is written, and the meta page is written before anybody is answered.
 */
import type { Acknowledgement, Recording } from "./recording.ts";

/** @param repeated ids of invocations that may have been asked for more than once */
export function brokenOrder(recording: Recording, repeated: ReadonlySet<string>): string[] {
  return [...brokenCommits(recording), ...brokenAnswers(recording, repeated)];
}

/** Between the last page of a commit and its meta page lies a flush, from its begin to its end. */
function brokenCommits({ writes, flushes }: Recording): string[] {
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
function brokenAnswers(
  { writes, flushes, acknowledgements }: Recording,
  repeated: ReadonlySet<string>,
): string[] {
  const lastOn = new Map<string, number>();
  const final = new Map(acknowledgements.map((it) => [it.socket, it]));
  return acknowledgements.flatMap((answer: Acknowledgement) => {
    const asked = lastOn.get(answer.socket) ?? 0;
    lastOn.set(answer.socket, answer.line);
    if (repeated.has(answer.id) || final.get(answer.socket) === answer) return [];
    const page = writes.find((it) => !it.synced && it.startLine > asked);
    const flush = page && flushes.find((it) => it.startLine > page.endLine);
    const meta = flush && writes.find((it) => it.synced && it.startLine > flush.endLine);
    const durable = meta !== undefined && meta.endLine < answer.line;
    return durable
      ? []
      : [`line ${answer.line}: ${answer.id} is answered before a commit is durable`];
  });
}
