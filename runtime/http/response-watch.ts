/**
 * When a response is over: it was sent, or it never will be.
 *
 * Node says so ("close") of a response that has had its turn on its connection. Those that stand behind
 * it when the client goes away, as pipelined requests do, never hear of it: nobody would be told that
 * their client has gone, and they would count as open for ever. So the connection is listened to as well.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class ResponseWatch {
  /** Of each connection, those that are not over. Not a Set: see protocol/number-map.ts. */
  readonly #open = new WeakMap<Socket, (() => void)[]>();

  /** Calls `over` once: as the response is, or as its connection is. */
  add(socket: Socket, response: ServerResponse, over: () => void): void {
    const open = this.#open.get(socket) ?? this.#listen(socket);
    open.push(over);
    response.on("close", () => {
      const at = open.indexOf(over);
      if (at < 0) return;
      open.splice(at, 1);
      over();
    });
  }

  /** How many of a connection are not over. */
  openOf(socket: Socket): number {
    return this.#open.get(socket)?.length ?? 0;
  }

  #listen(socket: Socket): (() => void)[] {
    const open: (() => void)[] = [];
    this.#open.set(socket, open);
    socket.once("close", () => {
      for (const over of open.splice(0)) over();
    });
    return open;
  }
}
