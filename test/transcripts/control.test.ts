/**
 * Control as text files beside this one: one for each way in which somebody takes hold of what runs.
 * How to read and change them: transcripts.test.ts.
 */
import { expect, test } from "vitest";
import { bytes, type ScriptedAttempt } from "../support/core-harness.ts";
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
  "a cancellation of a running run": (t) => {
    const invocationId = t.send("counter/a/add");
    const attempt = t.harness.attempt(1);
    const pay = run(attempt, 1, "pay");
    t.say("A closure may be reaching outside: its abort waits until the cancellation is durable.");
    t.control("cancel", invocationId);
    t.say("Its result comes all the same. It is acknowledged, and recorded nowhere.");
    const result = { ok: true, value: bytes('"paid"') } as const;
    t.harness.say(1, {
      kind: "run-result",
      attempt: attempt.handle,
      command: pay,
      try: 1,
      result,
      deliveries: null,
    });
    t.say("The handler compensates: what it issues now is no longer covered.");
    run(attempt, 2, "refund");
    t.say("It hangs there. A second cancellation reaches the compensation.");
    t.control("cancel", invocationId);
    t.say("The handler gives up; whoever waits for the key has it in the same step.");
    t.harness.invoke("counter/a/add", { body: "next" });
    const failure = { name: "CancelledError", message: "Cancelled", code: 409 };
    t.harness.say(1, { kind: "end", attempt: attempt.handle, result: { ok: false, failure } });
  },
  "a cancellation of what never started": (t) => {
    t.harness.invoke("counter/a/add", { mode: "send" });
    const waiting = t.send("counter/a/add");
    t.say("It stands in the inbox, and no code of it ever ran: there is nobody to ask.");
    t.control("cancel", waiting);
  },
  "a cancellation while the worker is away": (t) => {
    const invocationId = t.send("counter/a/add");
    t.harness.attempt(1).issue({ kind: "sleep", durationMs: 60_000, completionId: 1 });
    t.harness.lose(1);
    t.say("The sleep is forgotten with its timer. The cancellation is the next journal entry.");
    t.control("cancel", invocationId);
    t.harness.connect(2);
  },
  "a kill of a tree": (t) => {
    const root = t.send("greeter/greet");
    t.say("The greeter calls a, which calls b.");
    t.harness.attempt(1).issue(callCounter);
    t.harness.attempt(1).issue({ ...callCounter, target: { ...callCounter.target, key: "b" } });
    t.say("Another call waits for the key a.");
    t.harness.invoke("counter/a/add", { body: "next" });
    t.say("The root ends in this step, and nobody asks its code.");
    t.control("kill", root);
    t.say("The calls below it are reached by timers. The key a goes to whoever waited for it.");
    t.harness.advance(0);
  },
  "pause and resume of an invocation": (t) => {
    const invocationId = t.send("counter/a/add");
    t.harness.attempt(1).issue({ kind: "sleep", durationMs: 1_000, completionId: 1 });
    t.say("It keeps its key: the next call of it waits.");
    t.control("pause", invocationId);
    t.harness.invoke("counter/a/add", { body: "next" });
    t.say("Its sleep ends meanwhile. That is recorded, and wakes nobody.");
    t.harness.advance(1_000);
    t.control("resume", invocationId);
    t.say("A pause of what waits in the inbox comes when its turn does, before its code starts.");
    const waiting = t.send("counter/a/add");
    t.control("pause", waiting);
    t.harness.attempt(1).end('"slept"');
    t.harness.attempt(1).end('"next"');
    t.control("resume", waiting);
  },
  "pause and resume of a key": (t) => {
    const invocationId = t.send("counter/a/add");
    t.say("What runs is stopped where it was; that is no failure.");
    t.hold({ kind: "pause-key", service: "counter", key: "a" });
    t.say("New calls of the key are accepted and wait; other keys go on.");
    t.harness.invoke("counter/a/read");
    t.harness.invoke("counter/b/add");
    t.say("What has started takes a cancellation, and sees it when the key is resumed.");
    t.control("cancel", invocationId);
    t.say("The pause is durable.");
    t.harness.restart();
    t.harness.connect(1);
    t.hold({ kind: "resume-key", service: "counter", key: "a" });
  },
  "pause and resume of a service": (t) => {
    t.send("counter/a/add");
    t.hold({ kind: "pause-service", service: "counter" });
    t.harness.invoke("counter/b/add");
    t.harness.invoke("greeter/greet");
    t.hold({ kind: "resume-service", service: "counter" });
  },
  "a move to another deployment": (t) => {
    const invocationId = t.send("counter/a/add");
    t.say("Its code turns out to be broken, and a mended version is deployed.");
    t.control("pause", invocationId);
    t.harness.connect(2, { version: "mended" });
    t.ask({ kind: "resume", invocationId, deployment: "nowhere" });
    t.ask({ kind: "resume", invocationId, deployment: "latest" });
  },
  "a purge": (t) => {
    const invocationId = t.send("counter/a/add");
    t.control("purge", invocationId);
    t.harness.attempt(1).end("1");
    t.control("purge", invocationId);
    t.say("Its id means nothing any more.");
    t.control("purge", invocationId);
  },
};

function run(attempt: ScriptedAttempt, completionId: number, name: string): number {
  return attempt.issue({ kind: "run", mode: "at-least-once", retry: null, completionId }, { name });
}

test.each(Object.keys(SCENARIOS))("%s", async (title) => {
  const transcript = new Transcript(title);
  SCENARIOS[title]?.(transcript);
  await expect(transcript.toString()).toMatchFileSnapshot(`./${title.replaceAll(" ", "-")}.txt`);
});
