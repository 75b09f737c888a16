/**
 * Watches one commit: says when it is slow, and gives it up when it is late. After an error LMDB may
 * leave promises open for ever, so that a commit which is merely awaited could hang a runtime that
 * still takes requests.
 */

import { FencedError } from "./store.ts";

export interface CommitWatch {
  /** A commit has taken `commitWarnMs`, and goes on. */
  readonly onSlowCommit?: (elapsedMs: number) => void;
  /** Default 10 s. */
  readonly commitWarnMs?: number;
  /** When a commit counts as failed. Default 30 s. */
  readonly commitTimeoutMs?: number;
}

const COMMIT_WARN_MS = 10_000;
const COMMIT_TIMEOUT_MS = 30_000;

/** A commit failed, or nobody knows how it ended. Whatever is on the disk, this process must stop. */
export class CommitFailedError extends Error {
  override readonly name = "CommitFailedError";
}

/** @throws CommitFailedError when the commit is rejected, or open for longer than `commitTimeoutMs` */
export function watchCommit(
  commit: Promise<void>,
  batchNumber: number,
  watch: CommitWatch = {},
): Promise<void> {
  const { onSlowCommit } = watch;
  const warnMs = watch.commitWarnMs ?? COMMIT_WARN_MS;
  const timeoutMs = watch.commitTimeoutMs ?? COMMIT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const warn = setTimeout(() => onSlowCommit?.(warnMs), warnMs);
    const giveUp = setTimeout(() => {
      rest();
      reject(late(batchNumber, timeoutMs));
    }, timeoutMs);
    const rest = (): void => {
      clearTimeout(warn);
      clearTimeout(giveUp);
    };
    commit.then(
      () => {
        rest();
        resolve();
      },
      (error: unknown) => {
        rest();
        failed(batchNumber, error).catch(reject);
      },
    );
  });
}

function late(batchNumber: number, timeoutMs: number): CommitFailedError {
  return new CommitFailedError(
    `batch ${batchNumber} is not on disk after ${timeoutMs} ms; its outcome is unknown`,
  );
}

async function failed(batchNumber: number, error: unknown): Promise<never> {
  if (error instanceof FencedError) throw error;
  const cause = await causeOf(error);
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new CommitFailedError(`batch ${batchNumber} could not be written: ${reason}`, { cause });
}

/**
 * lmdb-js tells the reason by a second promise on the error, which is rejected in the same tick or
 * never. Unless somebody catches it, it ends the process as an unhandled rejection.
 */
function causeOf(error: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    if (error instanceof Error && "commitError" in error) {
      Promise.resolve(error.commitError).catch(resolve);
    }
    setImmediate(() => resolve(error));
  });
}
