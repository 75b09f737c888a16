/** What comes in one frame is acknowledged once, by the number of its last message. */
import { expect, test } from "vitest";
import type { RuntimeMessage } from "../../protocol/message.ts";
import type { Input } from "../../runtime/core/input.ts";
import { createHub } from "../../runtime/hub/hub.ts";
import { createLog } from "../../runtime/log.ts";
import { CoreHarness } from "../support/core-harness.ts";
import { helloOf } from "../hostile/bare-peer.ts";

const suspend = (attempt: number) => ({ kind: "suspend", attempt, deliveries: 0 }) as const;

test("of messages that come together only the last one says how many there were", () => {
  const inputs: Input[] = [];
  const hub = createHub({ submit: (input) => inputs.push(input), log: createLog("silent") });
  const worker = hub.accept({
    send: () => undefined,
    bufferedBytes: () => 0,
    close: () => undefined,
  });
  worker.onMessage(helloOf([]));
  worker.onMessage(suspend(1), true);
  worker.onMessage(suspend(2), true);
  worker.onMessage(suspend(3), false);
  worker.onMessage(suspend(4));
  const ordinals = inputs.map((it) => (it.kind === "worker-message" ? it.ordinal : it.kind));
  expect(ordinals).toEqual(["worker-hello", 0, 0, 4, 5]);
});

test("what others follow in its frame gets no acknowledgement of its own", () => {
  const h = new CoreHarness();
  h.connect(1);
  const acks = (ordinal: number): RuntimeMessage[] =>
    h
      .apply({ kind: "worker-message", connection: 1, ordinal, message: suspend(9) })
      .flatMap((it) => (it.kind === "message" ? [it.message] : []));
  expect(acks(0)).toEqual([]);
  expect(acks(3)).toEqual([{ kind: "ack", upTo: 3 }]);
});
