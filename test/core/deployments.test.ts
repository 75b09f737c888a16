/** Deployments that drain: whose rules hold for what is pinned to them, and when they may go. */
import { describe, expect, test } from "vitest";
import { readDeployments } from "../../runtime/core/registry.ts";
import type { Response } from "../../runtime/core/effect.ts";
import type { HandlerManifest } from "../../protocol/manifest.ts";
import { CoreHarness, handler, serviceOf } from "../support/core-harness.ts";

const policy = (maxAttempts: number, onMaxAttempts: "pause" | "kill") => ({
  initialIntervalMs: 10,
  factor: 1,
  maxIntervalMs: 10,
  maxAttempts,
  maxDurationMs: null,
  jitter: 0,
  onMaxAttempts,
});

const version = (name: string, more: Partial<HandlerManifest> = {}) => ({
  version: name,
  services: [serviceOf("greeter", "service", [handler("greet", "stateless", more)])],
});

const remove = (h: CoreHarness, name: string): Response | undefined =>
  h.ask((request) => ({ kind: "remove-deployment", request, version: name }));

describe("an invocation follows the deployment that it is pinned to", () => {
  const old = version("v1", { retry: policy(2, "kill") });
  const current = version("v2", { retry: policy(1, "pause") });

  test("in its retries, also when a newer version takes the new ones", () => {
    const h = new CoreHarness();
    h.connect(1, old);
    const request = h.invoke("greeter/greet");
    h.connect(2, current);
    h.attempt(1).fail("boom");
    h.advance(20);
    expect(h.responses.get(request)).toBeUndefined();
    h.attempt(1).fail("boom");
    expect(h.responses.get(request)).toMatchObject({ kind: "completed", result: { ok: false } });
  });

  test("after a restart too, where nothing of the old one is in memory", () => {
    const h = new CoreHarness();
    h.connect(1, old);
    h.invoke("greeter/greet", { mode: "send" });
    h.connect(2, current);
    h.restart();
    h.connect(1, old);
    h.attempt(1).fail("boom");
    h.advance(20);
    expect(h.starts(1)).toHaveLength(2);
  });

  test("in how long its result is kept", () => {
    const h = new CoreHarness();
    h.connect(1, version("v1", { journalRetentionMs: 5_000 }));
    h.invoke("greeter/greet");
    h.connect(2, version("v2", { journalRetentionMs: 50_000 }));
    // Ended from outside, with no attempt that could tell.
    const invocationId = h.starts(1)[0]?.invocationId;
    if (invocationId === undefined) throw new Error("nothing started");
    h.lose(1);
    h.ask((request) => ({ kind: "kill", request, invocationId }));
    h.advance(5_000);
    const gone = h.ask((request) => ({ kind: "kill", request, invocationId }));
    expect(gone).toMatchObject({ kind: "refused", code: 404 });
  });
});

describe("a deployment is forgotten", () => {
  test("when a newer one has taken its services, its invocations have ended and its workers left", () => {
    const h = new CoreHarness();
    h.connect(1, version("v1"));
    expect(remove(h, "v1")).toMatchObject({
      code: 409,
      message: "the deployment 'v1' is not drained: it takes the new invocations of greeter",
    });
    h.invoke("greeter/greet");
    const attempt = h.attempt(1);
    h.connect(2, version("v2"));
    expect(remove(h, "v1")).toMatchObject({
      code: 409,
      message: "the deployment 'v1' is not drained: 1 open invocation is pinned to it",
    });
    attempt.end("1");
    expect(remove(h, "v1")).toMatchObject({
      code: 409,
      message: "the deployment 'v1' is not drained: a worker of it is connected; stop it first",
    });
    h.lose(1);
    expect(remove(h, "v1")).toMatchObject({ kind: "controlled", applied: "now" });
    expect(readDeployments(h.tx).map((it) => it.version)).toEqual(["v2"]);
    expect(remove(h, "v1")).toMatchObject({ kind: "refused", code: 404 });
  });

  test("and a worker that still announces it registers it anew, to take all new invocations", () => {
    const h = new CoreHarness();
    h.connect(1, version("v1"));
    h.lose(1);
    h.connect(2, version("v2"));
    remove(h, "v1");
    h.connect(3, version("v1"));
    h.invoke("greeter/greet");
    expect(h.starts(3)).toHaveLength(1);
  });
});
