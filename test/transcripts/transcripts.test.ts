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
    t.harness.say(1, {
      kind: "run-result",
      attempt: attempt.handle,
      command,
      try: 3,
      result,
      deliveries: null,
    });
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
    t.harness.say(1, {
      kind: "run-result",
      attempt: 1,
      command: 0,
      try: 1,
      result,
      deliveries: null,
    });
  },
  "an at-most-once run cut off": (t) => {
    t.harness.connect(2);
    t.harness.invoke("greeter/greet");
    t.say("The row that says that it started is in the batch that the go waits for.");
    t.harness
      .attempt(1)
      .issue({ kind: "run", mode: "at-most-once", retry: null, completionId: 1 }, { name: "pay" });
    t.say("Nobody knows what became of it: it fails after the replay, and there is no second go.");
    t.harness.lose(1);
    t.say("The handler may have caught that, and asks a person.");
    const next = t.harness.attempt(2);
    const ask = next.issue(
      { kind: "run", mode: "at-least-once", retry: null, completionId: 2 },
      { name: "ask a person" },
    );
    next.report(ask, { value: '"it was paid"' });
    next.end('"it was paid"');
  },
  "a run with a probe cut off": (t) => {
    t.harness.connect(2);
    t.harness.connect(3);
    t.harness.invoke("greeter/greet");
    t.harness
      .attempt(1)
      .issue({ kind: "run", mode: "probe", retry: null, completionId: 1 }, { name: "pay" });
    t.say(
      "It may have happened: the next go is for the probe, and waits for the disk like any go.",
    );
    t.harness.lose(1);
    t.say("It had not: the closure goes, and from then on may have happened.");
    t.harness.attempt(2).report(0, { notDone: true });
    t.harness.lose(2);
    t.say("This time it had: what the probe found is the result.");
    const last = t.harness.attempt(3);
    last.report(0, { value: '"paid"' });
    last.end('"paid"');
  },
  "a run that pauses its invocation": (t) => {
    const request = t.harness.invoke("greeter/greet", { mode: "send" });
    const invocationId = t.harness.admittedId(request);
    const retry = {
      initialIntervalMs: 100,
      factor: 2,
      maxIntervalMs: 10_000,
      maxAttempts: 2,
      maxDurationMs: null,
      jitter: 0,
      onMaxAttempts: "pause",
    } as const;
    const attempt = t.harness.attempt(1);
    const run = { kind: "run", mode: "at-least-once", retry, completionId: 1 } as const;
    const pay = attempt.issue(run, { name: "pay" });
    attempt.report(pay, { error: "no route to host" });
    t.harness.advance(1_000);
    t.say("Its second failure is its last: the attempt is over, and the invocation keeps its key.");
    attempt.report(pay, { error: "no route to host" });
    t.say("Somebody mends the route and resumes it: all tries anew, numbered on.");
    t.harness.ask((ask) => ({ kind: "resume", request: ask, invocationId }));
    t.harness.attempt(1).report(pay, { value: '"paid"' });
    t.harness.attempt(1).end('"paid"');
  },
  "a handler that kills its worker": (t) => {
    t.harness.invoke("counter/poison/add");
    t.harness.invoke("counter/neighbour/add");
    t.say("Lost together, twice: bad luck, and both start at once on the next worker.");
    for (const connection of [1, 2]) {
      t.harness.lose(connection);
      t.harness.connect(connection + 1);
    }
    t.say("The neighbour gets on: it has lost nothing in a row.");
    t.harness.attempt(3, 1).issue({ kind: "awakeable", completionId: 1 });
    t.harness.lose(3);
    t.say("On the fourth worker the neighbour is alone: the other one waits.");
    t.harness.connect(4);
    t.harness.attempt(4).end('"done"');
    t.harness.advance(1_000);
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
  "a deployment that drains": (t) => {
    const { harness } = t;
    harness.connect(2, { version: "v1" });
    harness.invoke("greeter/greet", { body: '"began with v1"' });
    t.say("A worker of a new version comes: it takes what is new.");
    harness.connect(3, { version: "v2" });
    harness.invoke("greeter/greet", { body: '"began with v2"' });
    t.say("The old one drains: it has an invocation, and cannot be removed.");
    harness.ask((request) => ({ kind: "remove-deployment", request, version: "v1" }));
    t.say(
      "Its worker is lost. The invocation waits for another of its version, and takes no other.",
    );
    harness.lose(2);
    harness.connect(4, { version: "v1" });
    harness.attempt(4).end('"ended with v1"');
    t.say("Drained: its worker may leave, and then it may be forgotten.");
    harness.lose(4);
    harness.ask((request) => ({ kind: "remove-deployment", request, version: "v1" }));
  },
};

test.each(Object.keys(SCENARIOS))("%s", async (title) => {
  const transcript = new Transcript(title);
  SCENARIOS[title]?.(transcript);
  await expect(transcript.toString()).toMatchFileSnapshot(`./${title.replaceAll(" ", "-")}.txt`);
});
