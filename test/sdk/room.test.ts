/**
 * A wish for room is met by attempts that leave by themselves. One that was aborted had its place given
 * away before, so the wish still stands: whoever stands in a queue would wait for nobody else.
 */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { service, type Context } from "../../sdk/index.ts";
import { WorkerSession } from "../../sdk/worker/worker-session.ts";
import { RUNTIME_SAMPLES } from "../support/sample-messages.ts";

const sleeper = service({
  name: "sleeper",
  handlers: {
    run: (ctx: Context) => ctx.sleep(60_000),
    twice: async (ctx: Context) => {
      await ctx.sleep(60_000);
      await ctx.sleep(60_000);
    },
  },
});

function startOf(attempt: number, handler = "run"): RuntimeMessage {
  const start = RUNTIME_SAMPLES.find((it) => it.kind === "start");
  if (start === undefined) throw new Error("there is a sample of each message");
  const target = { service: "sleeper", handler, key: null };
  const input = new Uint8Array(0);
  return { ...start, attempt, target, input, commandCount: 0, deliveryCount: 0 };
}

function connect(concurrency: number): { session: WorkerSession; said: WorkerMessage[] } {
  const said: WorkerMessage[] = [];
  const send = (message: WorkerMessage): void => void said.push(message);
  const session = new WorkerSession({
    services: [sleeper],
    version: "v1",
    concurrency,
    channel: { send, close: () => undefined, bufferedBytes: () => 0 },
    warn: () => undefined,
  });
  const welcome = RUNTIME_SAMPLES.find((it) => it.kind === "welcome");
  if (welcome) session.onMessage({ ...welcome, inactivityTimeoutMs: 60_000 });
  return { session, said };
}

const suspended = (said: readonly WorkerMessage[]): number[] =>
  said.flatMap((it) => (it.kind === "suspend" ? [it.attempt] : []));

test("an attempt that is aborted makes no room", async () => {
  const { session, said } = connect(1);
  session.onMessage(startOf(1));
  session.onMessage({ kind: "make-room", attempts: 1 });
  session.onMessage({ kind: "abort", attempt: 1, reason: "killed" });
  session.onMessage(startOf(2));
  for (let i = 0; i < 3; i++) await turn();
  expect(suspended(said)).toEqual([2]);
});

test("those leave first that have waited longest, and nobody whose turn has come", async () => {
  const { session, said } = connect(10);
  for (let attempt = 1; attempt <= 5; attempt++) session.onMessage(startOf(attempt));
  for (let i = 0; i < 3; i++) await turn();
  session.onMessage({ kind: "abort", attempt: 2, reason: "killed" });
  const delivery = { kind: "completion", completionId: 1, result: { kind: "void" } } as const;
  session.onMessage({ kind: "deliver", attempt: 1, delivery });
  session.onMessage({ kind: "make-room", attempts: 2 });
  expect(suspended(said)).toEqual([3, 4]);
  session.onMessage({ kind: "make-room", attempts: 3 });
  expect(suspended(said)).toEqual([3, 4, 5]);
});

test("who was at work as room was asked for is in line again when it waits", async () => {
  const { session, said } = connect(10);
  session.onMessage(startOf(1, "twice"));
  session.onMessage(startOf(2));
  for (let i = 0; i < 3; i++) await turn();
  const delivery = { kind: "completion", completionId: 1, result: { kind: "void" } } as const;
  session.onMessage({ kind: "deliver", attempt: 1, delivery });
  session.onMessage({ kind: "make-room", attempts: 1 });
  expect(suspended(said)).toEqual([2]);
  for (let i = 0; i < 4; i++) await turn();
  session.onMessage({ kind: "make-room", attempts: 1 });
  expect(suspended(said)).toEqual([2, 1]);
});
