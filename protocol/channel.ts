/**
 * A live connection as both sides see it, over WebSocket or in memory.
 *
 * 1. Messages arrive in the order in which they were sent, or not at all.
 * 2. `onClose` is called exactly once, and nothing arrives after it.
 * 3. `send` after a close does nothing.
 */
export interface ChannelHandlers<In> {
  /** `more`: others came with it, in the same frame, and follow at once. */
  onMessage(message: In, more?: boolean): void;
  /** `code` is a WebSocket close code; 1006 when the peer vanished. */
  onClose(code: number, reason: string): void;
}

export interface Channel<Out> {
  /** Queues a message; it leaves in one frame with the others of this event-loop turn. */
  send(message: Out): void;
  /** Sends what is queued now, and not at the end of this turn. A channel without frames has none. */
  flush?(): void;
  /** The next turn will send more: what waits may leave together with that. A channel may ignore it. */
  expectMore?(): void;
  /** Bytes that were sent and have not left this process yet. */
  bufferedBytes(): number;
  /**
   * Stop or go on reading: what comes meanwhile stays with the peer. Some may still be handed over.
   * A channel within one process has none: its ends do not flood each other.
   */
  setReading?(reading: boolean): void;
  /** Closes after what was sent. `code` is a WebSocket close code. */
  close(code: number, reason: string): void;
}

/** Close codes of our own (4000 to 4999 are free for applications). */
export const CloseCode = {
  /** Frame or message that breaks the protocol. */
  protocolError: 4400,
  unauthorized: 4401,
  /** Registration refused: see the `refused` message. */
  refused: 4409,
  tooLarge: 4413,
  /** No pong in time, or the peer does not read what it is sent. */
  unresponsive: 4408,
  goingAway: 1001,
  normal: 1000,
} as const;

/** What RFC 6455 leaves for a reason beside the code. */
const CLOSE_REASON_BYTES_MAX = 123;

/** The start of `sentence`, as much as a close frame holds. */
export function closeReason(sentence: string): string {
  let bytes = 0;
  let reason = "";
  for (const character of sentence) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > CLOSE_REASON_BYTES_MAX) break;
    reason += character;
  }
  return reason;
}
