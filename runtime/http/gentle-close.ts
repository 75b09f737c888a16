/**
 * Closing a connection so that its answers arrive.
 *
 * A socket that is closed with something unread in it resets its connection, and a reset makes the
 * other side's kernel throw away what it has not handed over yet: answers that were written in good
 * order. Node closes that way behind an answer that says `connection: close`, whoever wanted it. So
 * here: say that nothing more will come, let the client finish or a bounded time pass, then close
 * (RFC 9112, 9.6).
 */
import type { Socket } from "node:net";

/** From now on Node's own closing of this socket waits for the client, at most `lingerMs`. */
export function closeGently(socket: Socket, lingerMs: number): void {
  socket.destroySoon = () => {
    if (socket.destroyed || socket.writableEnded) return;
    socket.end();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.on("close", () => clearTimeout(timer));
  };
}
