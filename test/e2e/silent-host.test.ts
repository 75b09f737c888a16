/**
 * A worker that was told another port, of a service that accepts and says nothing, did not leave at the
 * first Ctrl-C: it waited for the handshake, 45 s, and then ended with exit code 13 ("unsettled top-level
 * await"), since `await serve(...)` never came back.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { launchWorkerProcess, stopAll } from "./support/processes.ts";

let host: Server;
const sockets = new Set<Socket>();
const env = (): Record<string, string> => ({
  HOLDFAST_URL: `ws://127.0.0.1:${(host.address() as AddressInfo).port}`, // it listens on a port
  OUTSIDE_URL: "http://127.0.0.1:9",
});

beforeEach(async () => {
  host = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.resume();
  });
  await once(host.listen(0, "127.0.0.1"), "listening");
});
afterEach(async () => {
  await stopAll();
  for (const socket of sockets) socket.destroy();
  await once(host.close(), "close");
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "a worker that dials a host that says nothing leaves at the first %s",
  async (signal) => {
    const dialed = once(host, "connection");
    const { child, log, exited } = launchWorkerProcess("crash-worker.mjs", env());
    const [socket] = (await dialed) as [Socket];
    const gone = once(socket, "close");
    const sentAtMs = performance.now();
    child.kill(signal);
    await Promise.all([exited, gone]);
    expect(performance.now() - sentAtMs).toBeLessThan(10_000);
    expect({ code: child.exitCode, log }).toEqual({ code: 0, log: [] });
  },
);

test("and one whose host opens the WebSocket and then says nothing", async () => {
  const silent = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo; // as above
  const opened = once(silent, "connection");
  const silentEnv = { ...env(), HOLDFAST_URL: `ws://127.0.0.1:${port}` };
  const { child, log, exited } = launchWorkerProcess("crash-worker.mjs", silentEnv);
  const [socket] = (await opened) as [WebSocket];
  socket.pause();
  child.kill("SIGTERM");
  const sentAtMs = performance.now();
  await exited;
  expect(performance.now() - sentAtMs).toBeLessThan(10_000);
  expect({ code: child.exitCode, log }).toEqual({ code: 0, log: [] });
  socket.terminate();
  await new Promise((resolve) => silent.close(resolve));
});

test("and so does one that waits to dial again", async () => {
  const port = env();
  await once(host.close(), "close");
  const { child, log, exited } = launchWorkerProcess("crash-worker.mjs", port);
  child.stderr?.once("data", () => child.kill("SIGTERM"));
  await exited;
  expect(log).toEqual([expect.stringContaining("cannot reach a runtime")]);
  expect(child.exitCode).toBe(0);
  host.listen(0, "127.0.0.1");
});
