/**
 * Starts that came along with that of another attempt of their key, and wait for its end.
 *
 * 1. The first of them starts when that attempt ends by its handler, on the state that it left, and the
 *    others wait for that one in turn. Nothing is sent for one that has not started.
 * 2. In all other cases they are void: an attempt that failed, was suspended or aborted, or a worker
 *    that leaves. The runtime comes to the same verdict from what it is sent; where it has reasons of
 *    its own, it sends an abort.
 */
import type { AttemptHandle, Follower, Start } from "../../protocol/message.ts";
import { NumberMap } from "../../protocol/number-map.ts";
import type { StateView } from "../attempt/state-view.ts";

export class Followers {
  /** By the attempt that they wait for, which is live. */
  readonly #waiting = new NumberMap<Pick<Start, "attempt" | "target" | "followers">>();

  add({ attempt, target, followers }: Start): void {
    if (followers.length > 0) this.#waiting.set(attempt, { attempt, target, followers });
  }

  /** This attempt has ended. What starts now, if anything. */
  after(attempt: AttemptHandle, left: StateView | undefined): Start | undefined {
    const waiting = this.#waiting.get(attempt);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(attempt);
    const [first, ...others] = waiting.followers;
    if (first === undefined || left === undefined) return undefined;
    return startOf(first, { target: waiting.target, state: left.copy(), followers: others });
  }

  /** The runtime says that this one does not follow; so none of those behind it does. */
  void(handle: AttemptHandle): void {
    for (const waiting of this.#waiting.values()) {
      const at = waiting.followers.findIndex((it) => it.attempt === handle);
      if (at < 0) continue;
      this.#waiting.set(waiting.attempt, { ...waiting, followers: waiting.followers.slice(0, at) });
      return;
    }
  }
}

function startOf(
  { handler, ...follower }: Follower,
  more: Pick<Start, "target" | "state" | "followers">,
): Start {
  return {
    kind: "start",
    ...follower,
    ...more,
    target: { ...more.target, handler },
    // It has never run before: see Follower.
    attemptNumber: 1,
    commandCount: 0,
    deliveryCount: 0,
  };
}
