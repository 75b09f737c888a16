/** A store with something of everything, told by the machine itself, so that its rows are those that it writes. */
import { bytes, CoreHarness } from "./core-harness.ts";

const call = (path: string, completionId: number) => {
  const [service = "", key = "", handler = ""] = path.split("/");
  const target = { service, key, handler };
  const rest = { parameter: bytes("1"), headers: [], idempotencyKey: null, completionId };
  return { kind: "call", target, ...rest } as const;
};
const run = (completionId: number) =>
  ({ kind: "run", mode: "at-least-once", retry: null, completionId }) as const;

/** Something of everything that a store can hold; its attempts are live. */
export function world(): CoreHarness {
  const h = new CoreHarness({ eagerStateBytesMax: 100 });
  h.connect(1, { concurrency: 40 });
  // counter/a holds its key, has state, sleeps, calls, waits for an outsider, and has a run.
  h.invoke("counter/a/add");
  const a = h.attempt(1);
  a.issue({ kind: "set-state", key: "total", value: bytes("1") });
  a.issue({ kind: "set-state", key: "large", value: new Uint8Array(70_000) });
  a.issue({ kind: "sleep", durationMs: 5_000, completionId: 1 });
  a.issue(call("counter/b/add", 2));
  a.issue({ kind: "awakeable", completionId: 3 });
  const command = a.issue(run(4), { name: "pay" });
  const failure = { name: "Error", message: "no", code: 500 };
  const failed = { kind: "run-failed", attempt: a.handle, command, try: 1, failure } as const;
  h.say(1, { ...failed, retryAfterMs: 4_000 });
  // Two wait for the key; one is to come later.
  h.invoke("counter/a/add", { mode: "send" });
  h.invoke("counter/a/add", { mode: "send" });
  h.invoke("counter/a/add", { mode: "send", delayMs: 9_000 });
  // A workflow waits for its promise, and another invocation for the workflow.
  h.invoke("signup/w/run", { mode: "send" });
  const w = h.attempt(1);
  w.issue({ kind: "set-state", key: "step", value: bytes("1") });
  w.issue({ kind: "get-promise", promise: "clicked", completionId: 1 });
  h.invoke("greeter/greet", { mode: "send" });
  h.attempt(1).issue({
    kind: "attach",
    invocationId: w.start.invocationId,
    completionId: 1,
  });
  // One has ended and is kept under its idempotency key, its journal for less time.
  h.invoke("greeter/greet", { idempotencyKey: "once" });
  const once = h.attempt(1);
  once.issue({ kind: "date", completionId: 1 });
  once.end("1");
  // Another one has too much of everything for one record.
  h.invoke("greeter/greet", { mode: "send", body: "x".repeat(5_000) });
  const large = h.attempt(1);
  for (let id = 1; id <= 50; id++) large.issue({ kind: "date", completionId: id });
  large.end("x".repeat(5_000));
  // One backs off.
  h.invoke("greeter/greet", { mode: "send" });
  h.attempt(1).fail("boom");
  // A key and a service are paused; something is kept back for each.
  const asked = (request: number) => ({ request, service: "counter" });
  h.ask((request) => ({ kind: "pause-key", ...asked(request), key: "z" }) as const);
  h.invoke("counter/z/add", { mode: "send" });
  return h;
}

/**
 * The same with what that has not: all that can wait is suspended, a promise is kept, a call has
 * ended for whoever attaches, a service is paused, one that started waits for a worker.
 */
export function quietWorld(): CoreHarness {
  const h = world();
  h.invoke("signup/w/confirm", { mode: "send" });
  const confirm = h.attempt(1);
  const result = { ok: true, value: bytes("1") } as const;
  confirm.issue({ kind: "complete-promise", promise: "other", result, completionId: 1 });
  confirm.end("1");
  h.invoke("signup/v/run", { mode: "send" });
  h.attempt(1).end("1");
  for (let nth = 0; nth < h.starts(1).length; nth++) h.attempt(1, nth).suspend();
  h.invoke("counter/c/add", { mode: "send" });
  h.attempt(1).issue({ kind: "set-state", key: "total", value: bytes("1") });
  h.lose(1);
  h.ask((request) => ({ kind: "pause-service", request, service: "signup" }) as const);
  return h;
}
