/**
 * Scenarios as text files beside this one. To see what a change does to them, run
 * `npx vitest run test/transcripts -u` and read the diff; commit it only if you understand it.
 */
import { expect, test } from "vitest";
import { bytes } from "../support/core-harness.ts";
import { Transcript } from "../support/transcript.ts";

const callCounter = {
  kind: "call",
  target: { service: "counter", key: "a", handler: "add" },
  parameter: bytes("1"),
  headers: [],
  idempotencyKey: null,
  completionId: 1,
} as const;

const SCENARIOS: Readonly<Record<string, (t: Transcript) => void>> = {
  "a call": (t) => {
    t.harness.invoke("greeter/greet", { body: '"Ann"' });
    t.say("The attempt starts ahead of the disk; the answer waits for it.");
    t.harness.attempt(1).end('"Hello Ann"');
  },
  "a busy key": (t) => {
    t.harness.invoke("counter/a/add", { body: "1" });
    t.say("The second call waits in the inbox: nothing is told to anybody.");
    t.harness.invoke("counter/a/add", { body: "2" });
    t.harness.invoke("counter/b/add", { body: "3" });
    t.say("The end of the first hands the key to the second in the same step.");
    t.harness.attempt(1, 0).end("1");
  },
  "a run that fails twice": (t) => {
    t.harness.invoke("greeter/greet");
    const attempt = t.harness.attempt(1);
    t.say("The closure starts on a go, and the go waits for the disk.");
    const command = attempt.issue(
      { kind: "run", mode: "at-least-once", retry: null, completionId: 1 },
      { name: "pay" },
    );
    const failure = { name: "Error", message: "connection refused", code: 500 };
    for (const attempted of [1, 2]) {
      const handle = attempt.handle;
      t.harness.say(1, {
        kind: "run-failed",
        attempt: handle,
        command,
        try: attempted,
        failure,
        retryAfterMs: null,
      });
      t.harness.advance(1_000);
    }
    const result = { ok: true, value: bytes('"paid"') } as const;
    t.harness.say(1, { kind: "run-result", attempt: attempt.handle, command, try: 3, result });
    attempt.end('"paid"');
  },
  "a sleep with a suspension": (t) => {
    t.harness.invoke("greeter/greet");
    const attempt = t.harness.attempt(1);
    attempt.issue({ kind: "sleep", durationMs: 86_400_000, completionId: 1 }, { name: "a day" });
    t.say("The attempt only waits: it leaves memory, and the sleep is a row.");
    attempt.suspend();
    t.harness.advance(86_400_000);
    t.harness.attempt(1).end('"rested"');
  },
  "a worker lost in the middle of a run": (t) => {
    t.harness.connect(2);
    t.harness.invoke("greeter/greet");
    t.harness
      .attempt(1)
      .issue({ kind: "run", mode: "at-least-once", retry: null, completionId: 1 }, { name: "pay" });
    t.say("The other worker takes over and replays; the cut-off closure gets a new go.");
    t.harness.lose(1);
    t.say("The zombie still talks. Its handle means nothing any more.");
    const result = { ok: true, value: bytes('"late"') } as const;
    t.harness.say(1, { kind: "run-result", attempt: 1, command: 0, try: 1, result });
  },
  "a restart in the middle of a call": (t) => {
    t.harness.invoke("greeter/greet", { mode: "send" });
    t.harness.attempt(1).issue(callCounter);
    t.say("The runtime dies and comes back. Connections died with it; rows did not.");
    t.harness.restart();
    t.harness.connect(1);
    t.harness.attempt(1, 1).end("7");
  },
  "a cancellation with compensation": (t) => {
    const request = t.harness.invoke("greeter/greet", { mode: "send" });
    const invocationId = t.harness.admittedId(request);
    const caller = t.harness.attempt(1);
    caller.issue(callCounter);
    t.say(
      "The caller hears of it and may clean up; the callee is reached by a timer, due at once.",
    );
    t.harness.ask((ask) => ({ kind: "cancel", request: ask, invocationId }));
    t.harness.advance(0);
    t.say("What the callee answers now reaches nobody: the cancellation covers the call.");
    const cancelled = { name: "CancelledError", message: "Cancelled", code: 409 };
    const callee = t.harness.attempt(1);
    t.harness.say(1, {
      kind: "end",
      attempt: callee.handle,
      result: { ok: false, failure: cancelled },
    });
    caller.issue(
      { kind: "run", mode: "at-least-once", retry: null, completionId: 2 },
      { name: "refund" },
    );
  },
  "a deadlock between two keys": (t) => {
    const target = { service: "counter", key: "b", handler: "add" };
    t.harness.invoke("counter/a/add", { mode: "send" });
    t.harness.invoke("counter/b/add", { mode: "send" });
    const [a, b] = [t.harness.attempt(1, 0), t.harness.attempt(1, 1)];
    a.issue({ ...callCounter, target });
    t.say("One waits for the other, who is alive: nothing follows.");
    a.idle();
    b.issue(callCounter);
    t.say("Now the other waits too: its call, the younger one, fails; the callee never starts.");
    b.idle();
    b.end('"went another way"');
    t.say("The key is free: the older call gets its turn and its answer.");
    t.harness.attempt(1).end("7");
  },
};

test.each(Object.keys(SCENARIOS))("%s", async (title) => {
  const transcript = new Transcript(title);
  SCENARIOS[title]?.(transcript);
  await expect(transcript.toString()).toMatchFileSnapshot(`./${title.replaceAll(" ", "-")}.txt`);
});
