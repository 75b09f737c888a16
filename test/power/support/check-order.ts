/**
 * What the order of the system calls shows by itself, without any image: the pages of a commit are
 * flushed before its meta page is written, and the meta page is written before anybody is answered.
 */
import type { Acknowledgement, Recording } from "./recording.ts";

export function brokenOrder(recording: Recording): string[] {
  return [...brokenCommits(recording), ...brokenAnswers(recording)];
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
 * The first answer about an invocation follows a commit that began after the answer before it on the
 * same connection: a client asks only then, so the commit cannot be an older one.
 */
function brokenAnswers({ writes, flushes, acknowledgements }: Recording): string[] {
  const known = new Set<string>();
  const lastOn = new Map<string, number>();
  return acknowledgements.flatMap((answer: Acknowledgement) => {
    const asked = lastOn.get(answer.socket) ?? 0;
    lastOn.set(answer.socket, answer.line);
    if (known.has(answer.id)) return [];
    known.add(answer.id);
    const page = writes.find((it) => !it.synced && it.startLine > asked);
    const flush = page && flushes.find((it) => it.startLine > page.endLine);
    const meta = flush && writes.find((it) => it.synced && it.startLine > flush.endLine);
    const durable = meta !== undefined && meta.endLine < answer.line;
    return durable
      ? []
      : [`line ${answer.line}: ${answer.id} is answered before a commit is durable`];
  });
}
