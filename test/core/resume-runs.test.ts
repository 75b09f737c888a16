/**
 * An invocation whose runs all back off is shown as backing off, and `holdfast invocations resume` says
 * "at once what backs off". Asked to, it answered 409 "the invocation is running: there is nothing to
 * resume", and whoever had mended the cause waited for a back-off of hours.
 */
import { describe, expect, test } from "vitest";
import { parseInvocationId, type InvocationId } from "../../protocol/ids.ts";
import { loadInvocation, summarize } from "../../runtime/admin/summary.ts";
import { brokenReferences } from "../support/check-rows.ts";
import { CoreHarness, handler, serviceOf, type ScriptedAttempt } from "../support/core-harness.ts";

const HOUR_MS = 3_600_000;
const SERVICES = [serviceOf("greeter", "service", [handler("greet", "stateless")])];
const RUN = { kind: "run", mode: "at-least-once", retry: null } as const;

/** Two runs: one failed and waits for an hour, the other one does as well unless its closure is at work. */
function backingOff(other: "backs off" | "at work" = "backs off") {
  const h = new CoreHarness();
  h.connect(1, { services: SERVICES });
  const id = h.admittedId(h.invoke("greeter/greet", { mode: "send" }));
  const attempt = h.attempt(1);
  for (const completionId of [1, 2]) attempt.issue({ ...RUN, completionId });
  attempt.report(0, { error: "boom", retryAfterMs: HOUR_MS });
  if (other === "backs off") attempt.report(1, { error: "boom", retryAfterMs: HOUR_MS });
  return { h, id, attempt };
}

const resume = (h: CoreHarness, invocationId: InvocationId, deployment = "keep") =>
  h.ask((request) => ({ kind: "resume", request, invocationId, deployment }));
const summary = (h: CoreHarness, id: InvocationId) => {
  const invocation = loadInvocation(h.tx, parseInvocationId(id)?.sequence ?? 0);
  if (invocation === undefined) throw new Error(`${id} is not there`);
  return summarize(h.tx, invocation);
};
const timers = (h: CoreHarness) => [...h.tx.rows.keys()].filter((it) => it.startsWith("t"));
const gos = (attempt: ScriptedAttempt) => attempt.gos().map((it) => [it.command, it.try]);

describe("a resume of what backs off in its runs", () => {
  test("tries them now, and their back-off is over", () => {
    const { h, id, attempt } = backingOff();
    h.advance(1_000);
    expect(summary(h, id).status).toBe("backing-off");
    expect(resume(h, id)).toMatchObject({
      applied: "now",
      effect: "its runs that backed off are tried again now",
    });
    expect(gos(attempt)).toEqual([
      [0, 1],
      [1, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(timers(h)).toEqual([]);
    expect(summary(h, id)).toMatchObject({ status: "running", nextRetryAt: null });
    // What was said to be spent on waiting was not: it ended after a second.
    const invocation = loadInvocation(h.tx, parseInvocationId(id)?.sequence ?? 0);
    expect(invocation?.spentMs["runs-backing-off"]).toBe(2_000);
    h.advance(2 * HOUR_MS);
    expect(gos(attempt).length).toBe(4);
  });

  test("leaves alone the closure that is at work", () => {
    const { h, id, attempt } = backingOff("at work");
    expect(resume(h, id)).toMatchObject({ applied: "now" });
    expect(gos(attempt).at(-1)).toEqual([0, 2]);
    attempt.report(1, { value: "1" });
    expect(attempt.deliveries().length).toBe(1);
    expect(resume(h, id)).toMatchObject({ kind: "refused", code: 409 });
  });

  test("starts what was suspended", () => {
    const { h, id, attempt } = backingOff();
    attempt.suspend();
    expect(resume(h, id)).toMatchObject({ effect: "its runs that backed off are tried again now" });
    expect(gos(h.attempt(1))).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(timers(h)).toEqual([]);
    expect(brokenReferences(h.tx)).toEqual([]);
  });

  test.each(["suspended", "ready"])(
    "of one that is %s tries them when a worker comes, also after a crash",
    (status) => {
      const { h, id, attempt } = backingOff();
      if (status === "suspended") attempt.suspend();
      h.lose(1);
      expect(resume(h, id)).toMatchObject({
        effect:
          "its runs that backed off are tried again when a worker of deployment dev that serves greeter/greet is connected",
      });
      h.restart();
      h.connect(2, { services: SERVICES });
      expect(gos(h.attempt(2)).length).toBe(2);
    },
  );

  test.each(["its attempt failed too", "it is paused"])("tries them now, when %s", (how) => {
    const { h, id, attempt } = backingOff();
    if (how === "it is paused") h.ask((request) => ({ kind: "pause", request, invocationId: id }));
    else attempt.fail("boom");
    expect(resume(h, id)).toMatchObject({ effect: expect.stringMatching(/^it was .* goes on$/) });
    expect(gos(h.attempt(1)).length).toBe(2);
    expect(timers(h)).toEqual([]);
  });

  test("tries them on the deployment that it names", () => {
    const { h, id, attempt } = backingOff();
    attempt.suspend();
    h.connect(2, { services: SERVICES, version: "mended" });
    expect(resume(h, id, "mended")).toMatchObject({ applied: "now" });
    expect(gos(h.attempt(2)).length).toBe(2);
  });
});
