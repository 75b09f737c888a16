import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Response } from "../../runtime/core/effect.ts";
import { empty, json, type Answer } from "../../runtime/http/answer.ts";
import { DEFAULT_HTTP_LIMITS } from "../../runtime/http/http-limits.ts";
import { listen, ListenError, type HttpApp, type Listening } from "../../runtime/http/listen.ts";
import {
  completed,
  deferred,
  post,
  send,
  serveApp,
  startIngress,
} from "../support/scripted-core.ts";

function appOf(handle: () => Promise<Answer>, errors: unknown[] = []): HttpApp {
  return {
    handle,
    problem: ({ status, message }) => json(status, { message }),
    onError: (error) => errors.push(error),
  };
}

function listenOn(host: string, port: number): Promise<Listening> {
  const app = appOf(() => Promise.resolve(empty(200)));
  return listen({ app, host, port, portSetting: "--test-port", limits: DEFAULT_HTTP_LIMITS });
}

test("a port in use is named, and so is its setting", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void holder.close());
  await once(holder, "listening");
  const { port } = holder.address() as { port: number }; // of a TCP server
  const refused = listenOn("127.0.0.1", port);
  await expect(refused).rejects.toThrow(ListenError);
  await expect(refused).rejects.toThrow(
    `port ${port} on 127.0.0.1 is in use by another process: choose another one with --test-port`,
  );
});

test("an address that is not of this machine is named", async () => {
  await expect(listenOn("203.0.113.7", 0)).rejects.toThrow(
    /^cannot listen on 203.0.113.7, port 0 \(--test-port\): /,
  );
});

test.each([
  ["127.0.0.1", /^http:\/\/127\.0\.0\.1:\d+$/],
  ["0.0.0.0", /^http:\/\/127\.0\.0\.1:\d+$/],
])("a listener on %s says under which URL it is reached", async (host, url) => {
  const listening = await listenOn(host, 0);
  onTestFinished(() => listening.close(0));
  expect(listening.url).toMatch(url);
  expect((await send(listening, "/")).status).toBe(200);
});

test("close lets those that wait be answered, and takes nobody new", async () => {
  const gate = deferred<Response>();
  const asked = deferred<void>();
  const ingress = await startIngress({
    answer: () => {
      asked.resolve();
      return gate.promise;
    },
  });
  const waiting = post(ingress, "/G/g", "{}");
  await asked.promise;
  const closed = ingress.close(60_000);
  await expect(post(ingress, "/G/g", "{}")).rejects.toThrow(/ECONNREFUSED/);
  gate.resolve(completed('"last"'));
  expect((await waiting).body).toBe('"last"');
  await closed;
});

test("close cuts off those that wait longer than the grace", async () => {
  const asked = deferred<void>();
  const ingress = await startIngress({
    answer: () => {
      asked.resolve();
      return new Promise<Response>(() => undefined);
    },
  });
  const waiting = post(ingress, "/G/g", "{}");
  // Observed before it rejects.
  const outcome = waiting.then(
    () => "answered",
    () => "cut off",
  );
  await asked.promise;
  await ingress.close(1);
  expect(await outcome).toBe("cut off");
});

test("an app that throws is reported, and its client told no more than that", async () => {
  const errors: unknown[] = [];
  const broken = new Error("secret detail");
  const listening = await serveApp(appOf(() => Promise.reject(broken), errors));
  const answer = await send(listening, "/");
  expect([answer.status, answer.json()]).toEqual([
    500,
    { message: "internal error; the log of the runtime says more" },
  ]);
  expect(errors).toEqual([broken]);
});

test("an answer that cannot be written is reported, and the connection closed", async () => {
  const errors: unknown[] = [];
  const impossible = { status: 200, headers: { "x-a": "line\nbreak" }, body: new Uint8Array(0) };
  const listening = await serveApp(appOf(() => Promise.resolve(impossible), errors));
  await expect(send(listening, "/")).rejects.toThrow(/socket hang up|ECONNRESET/);
  expect(errors).toHaveLength(1);
});
