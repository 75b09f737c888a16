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
  handlers: { run: (ctx: Context) => ctx.sleep(60_000) },
});

function startOf(attempt: number): RuntimeMessage {
  const start = RUNTIME_SAMPLES.find((it) => it.kind === "start");
  if (start === undefined) throw new Error("there is a sample of each message");
  const target = { service: "sleeper", handler: "run", key: null };
  const input = new Uint8Array(0);
  return { ...start, attempt, target, input, commandCount: 0, deliveryCount: 0 };
}

test("an attempt that is aborted makes no room", async () => {
  const said: WorkerMessage[] = [];
  const send = (message: WorkerMessage): void => void said.push(message);
  const session = new WorkerSession({
    services: [sleeper],
    version: "v1",
    concurrency: 1,
    channel: { send, close: () => undefined, bufferedBytes: () => 0 },
    warn: () => undefined,
  });
  const welcome = RUNTIME_SAMPLES.find((it) => it.kind === "welcome");
  if (welcome) session.onMessage({ ...welcome, inactivityTimeoutMs: 60_000 });
  session.onMessage(startOf(1));
  session.onMessage({ kind: "make-room", attempts: 1 });
  session.onMessage({ kind: "abort", attempt: 1, reason: "killed" });
  session.onMessage(startOf(2));
  for (let i = 0; i < 3; i++) await turn();
  expect(said.filter((it) => it.kind === "suspend")).toMatchObject([{ attempt: 2 }]);
});
