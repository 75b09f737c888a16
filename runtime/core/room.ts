/**
 * Wishes for room: while something waits for a worker that is full, that worker is to suspend attempts
 * that only wait.
 *
 * 1. As long as something stands in a queue of a full connection a wish stands too: asked for by who
 *    comes to stand there, and by the connection whenever it has filled up and leaves somebody standing.
 *    Else who stands there waits for an inactivity timeout that a busy attempt never comes to.
 * 2. `roomAsked` is how many attempts the worker still means to suspend, or less. It counts off each one
 *    that leaves by itself; here too, also where the attempt had been given up before.
 */
import { free, tellWorker, type Connection, type Step } from "./step.ts";

/** Asks for one more attempt to leave, unless all are asked to already. */
export function askForRoom(step: Step, connection: Connection): void {
  if (connection.roomAsked >= connection.concurrency) return;
  connection.roomAsked++;
  const message = { kind: "make-room", attempts: 1 } as const;
  tellWorker(step, connection.id, message, { when: "now", demand: false });
}

/** An attempt has left: who still stands in a queue asks again, when the connection is filled. */
export function countOffRoom(step: Step, connection: Connection): void {
  if (connection.roomAsked > 0) connection.roomAsked--;
  free(step, connection);
}

export function isFull({ attempts, concurrency }: Connection): boolean {
  return attempts.size >= concurrency;
}
