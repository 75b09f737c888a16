import type { Start, WorkerMessage } from "../../protocol/message.ts";
import type { JournalEntry } from "../../runtime/core/rows.ts";
import { Attempt } from "../../sdk/attempt/attempt.ts";
import { serde } from "../../sdk/serde.ts";
import { handler as handlerManifest } from "./core-harness.ts";
import type { Code } from "./live-harness.ts";

/** One attempt over this much of a journal; gives what it says until it waits or ends. */
export async function replayOnce<C>(
  start: Start,
  journal: readonly JournalEntry[],
  code: Code<C>,
): Promise<WorkerMessage[]> {
  const sent: WorkerMessage[] = [];
  const deliveryCount = journal.filter((it) => it.kind === "delivery").length;
  const attempt = new Attempt(
    { ...start, commandCount: journal.length - deliveryCount, deliveryCount },
    {
      service: start.target.service,
      kind: "object",
      name: start.target.handler,
      mode: "exclusive",
      // The test's own code, with the context that its target has.
      call: (ctx, input) => code(ctx as C, input),
      input: serde.json,
      output: serde.json,
      serde: serde.json,
      asTerminalError: undefined,
      manifest: handlerManifest(start.target.handler, "exclusive"),
    },
    {
      send: (message) => sent.push(message),
      warn: () => undefined,
      onEnded: () => undefined,
      inactivityTimeoutMs: 60_000,
      payloadBytesMax: 1_000_000,
    },
  );
  if (journal.length > 0) {
    const entries = journal.map((it) =>
      it.kind === "command"
        ? ({ kind: "command", command: it.command } as const)
        : ({ kind: "delivery", delivery: it.delivery } as const),
    );
    attempt.replay({ kind: "replay", attempt: start.attempt, entries });
  }
  for (let rounds = 0; rounds < 2 * journal.length + 10; rounds++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  attempt.abort("the test is over");
  return sent;
}
