/**
 * Ports for what is killed and started again under its old address.
 *
 * One that the system chose ("0") is free for all as soon as its process is dead: it comes from the range
 * that also any outgoing connection gets its own port from. Found by a recording of a power loss whose
 * second runtime did not start: the port was in use.
 */
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the range for outgoing connections of Linux (32,768) and of macOS (49,152). */
const FIRST = 20_000;
const END = 32_768;
/** Tests that run side by side draw from pieces of their own: one's dead runtime keeps its port. */
const PIECES = 8;
const PIECE = Math.floor((END - FIRST) / PIECES);
const piece = FIRST + (Number(process.env["VITEST_POOL_ID"] ?? 0) % PIECES) * PIECE;
/** One after the other, so that none is drawn twice; from anywhere, as others may test beside. */
let drawn = Math.floor(Math.random() * PIECE);

export async function lastingPorts(): Promise<[ingress: string, admin: string, worker: string]> {
  return [await lastingPort(), await lastingPort(), await lastingPort()];
}

export async function lastingPort(): Promise<string> {
  for (;;) {
    const port = piece + (drawn++ % PIECE);
    if (await isFree(port)) return String(port);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
