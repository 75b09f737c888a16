/**
 * Reads a request's body, counting while it streams: a length that was announced is only a hint,
 * and no announcement lets a client occupy more memory than the limits say.
 */
import type { IncomingMessage } from "node:http";
import { HttpProblem } from "./answer.ts";

/** The client went away in the middle of its request: there is nobody to answer. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/**
 * So much of a body is taken however full it is: what a few slow clients hold must not shut out the
 * many whose requests are small. `requestsMax` bounds how often.
 */
const SMALL_BODY_BYTES = 16 * 1024;

/** Bytes of bodies that are being received now, by all requests of a listener. */
export interface Receiving {
  bytes: number;
  readonly bytesMax: number;
}

export function readBody(
  message: IncomingMessage,
  bytesMax: number,
  receiving: Receiving,
): Promise<Uint8Array> {
  const announced = Number(message.headers["content-length"] ?? 0);
  if (announced > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    let settled = false;
    // The listeners stay: taking four of them off costs more than their being called once more. What
    // they hold must not: the connection may live on for a while.
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      receiving.bytes -= sizeBytes;
      act();
      chunks.length = 0;
    };
    const onData = (chunk: Buffer): void => {
      if (settled) return;
      sizeBytes += chunk.length;
      receiving.bytes += chunk.length;
      const full = receiving.bytes > receiving.bytesMax && sizeBytes > SMALL_BODY_BYTES;
      if (sizeBytes > bytesMax) settle(() => reject(tooLarge(bytesMax)));
      else if (full) settle(() => reject(overloaded()));
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle(() => resolve(joined(chunks, sizeBytes)));
    const onClose = (): void => settle(() => reject(new ClientGoneError("the client went away")));
    message.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** A copy of its own: a chunk is a window on a much larger buffer, which it would keep alive. */
function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

export function tooLarge(bytesMax: number): HttpProblem {
  const message = `the request body is larger than ${bytesMax} bytes; send a smaller one, or keep large data elsewhere and send a reference`;
  return new HttpProblem(413, message, { closes: true });
}

export function overloaded(): HttpProblem {
  const message = "too many requests, the ingress is overloaded. Retry later.";
  return new HttpProblem(429, message, { headers: { "retry-after": "1" }, closes: true });
}
