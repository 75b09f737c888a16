import { expect, test } from "vitest";
import type { ChannelHandlers } from "../../protocol/channel.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import { createChannelPair } from "../../runtime/hub/memory-channel.ts";
import { go, hello, issue, turns } from "./support.ts";

class Listener<In> implements ChannelHandlers<In> {
  readonly heard: unknown[] = [];
  onMessage(message: In): void {
    this.heard.push(message);
  }
  onClose(code: number, reason: string): void {
    this.heard.push([code, reason]);
  }
}

test("messages arrive in order, the very ones, in a later turn", async () => {
  const pair = createChannelPair();
  const listener = new Listener<RuntimeMessage>();
  pair.attachWorker(listener);
  const messages = [go(0), go(1)];
  for (const message of messages) pair.runtime.send(message);
  await Promise.resolve();
  expect(listener.heard).toEqual([]);
  await turns();
  expect(listener.heard).toEqual(messages);
  expect(listener.heard[0]).toBe(messages[0]);
});

test("what is sent before anybody listens waits", async () => {
  const pair = createChannelPair();
  pair.worker.send(hello);
  pair.worker.close(1000, "bye");
  await turns();
  const listener = new Listener();
  pair.attachRuntime(listener);
  await turns();
  expect(listener.heard).toEqual([hello, [1000, "bye"]]);
});

test("what was sent before a close arrives before it; after it nothing is sent or heard", async () => {
  const pair = createChannelPair();
  const [runtime, worker] = [new Listener(), new Listener()];
  pair.attachRuntime(runtime);
  pair.attachWorker(worker);
  pair.runtime.send(go(0));
  pair.runtime.close(1001, "away");
  pair.runtime.send(go(1));
  pair.runtime.close(1000, "again");
  pair.worker.send(issue(0));
  await turns();
  pair.worker.send(issue(1));
  pair.worker.close(1000, "");
  await turns();
  expect(worker.heard).toEqual([go(0), [1001, "away"]]);
  expect(runtime.heard).toEqual([]);
});

test("a side that closes in the middle of a batch hears no more of it", async () => {
  const pair = createChannelPair();
  const heard: RuntimeMessage[] = [];
  pair.attachWorker({
    onMessage: (message) => {
      heard.push(message);
      pair.worker.close(1000, "");
    },
    onClose: () => heard.push(go(99)),
  });
  pair.runtime.send(go(0));
  pair.runtime.send(go(1));
  await turns();
  expect(heard).toEqual([go(0)]);
});

test("frozen, a message cannot be changed by either side", async () => {
  const pair = createChannelPair({ freeze: true });
  const listener = new Listener<RuntimeMessage>();
  pair.attachWorker(listener);
  const delivery = { kind: "cancellation" } as const;
  const message = { kind: "deliver", attempt: 1, delivery } as const;
  pair.runtime.send(message);
  await turns();
  expect(Object.isFrozen(listener.heard[0])).toBe(true);
  expect(Object.isFrozen(message.delivery)).toBe(true);
});
