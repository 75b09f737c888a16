/** Runs the command line in this process, against a small HTTP server that stands for the runtime. */
import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { run } from "../../cli/program.ts";

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCli(...args: string[]): Promise<CliResult> {
  let out = "";
  let err = "";
  const code = await run(args, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface FakeRuntime {
  readonly url: string;
  readonly received: readonly Received[];
  close(): Promise<void>;
}

/** Answers every request with `reply`, or each with the next of them, and remembers what came. */
export async function fakeRuntime(reply: Reply | readonly Reply[]): Promise<FakeRuntime> {
  const received: Received[] = [];
  const replies = "status" in reply ? [reply] : reply;
  const replyTo = (nth: number): Reply =>
    replies[Math.min(nth, replies.length) - 1] ?? { status: 500 };
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      received.push({ method, url, headers, body });
      const { status, headers: sent, body: text } = replyTo(received.length);
      response.writeHead(status, sent).end(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // a TCP server has no other kind of address
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
