import { describe, expect, test } from "vitest";
import { bytes, CoreHarness, handler, serviceOf, text } from "../support/core-harness.ts";

describe("state", () => {
  test("travels with the start up to the limit, and is fetched beyond it", () => {
    const h = new CoreHarness({ eagerStateBytesMax: 20 });
    h.connect(1);
    h.invoke("counter/a/add");
    const first = h.attempt(1);
    first.issue({ kind: "set-state", key: "total", value: bytes("12345") });
    first.end("1");
    h.invoke("counter/a/add");
    const second = h.attempt(1);
    expect(second.start.state).toEqual({ complete: true, entries: [["total", bytes("12345")]] });
    second.issue({ kind: "set-state", key: "big", value: bytes("x".repeat(30)) });
    second.end("1");
    h.invoke("counter/a/read");
    const third = h.attempt(1);
    expect(third.start.state.complete).toBe(false);
    third.issue({ kind: "get-state", key: "big", completionId: 1 });
    third.issue({ kind: "get-state", key: "none", completionId: 2 });
    third.issue({ kind: "get-state-keys", completionId: 3 });
    expect(third.deliveries().map((it) => it.kind === "completion" && it.result.kind)).toEqual([
      "value",
      "void",
      "state-keys",
    ]);
  });

  test("a shared handler cannot write", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.invoke("counter/a/read");
    h.attempt(1).issue({ kind: "set-state", key: "total", value: bytes("1") });
    expect(h.closed.get(1)).toContain("a shared handler cannot set-state");
  });
});

describe("registrations", () => {
  test.each([
    [
      "a kind changed",
      { services: [serviceOf("counter", "service", [handler("add", "stateless")])] },
      "cannot become a service",
    ],
    [
      "a name taken",
      { services: [serviceOf("restate", "service", [handler("x", "stateless")])] },
      "is taken by Holdfast",
    ],
    [
      "a mode changed",
      { services: [serviceOf("counter", "object", [handler("add", "shared")])] },
      "cannot become shared under the same version",
    ],
  ])("%s is refused and says why", (_, options, reason) => {
    const h = new CoreHarness();
    h.connect(1);
    h.connect(2, options);
    expect(h.messages(2, "refused")[0]?.reason).toContain(reason);
    expect(h.closed.get(2)).toContain(reason);
  });

  test("under the same version handlers may be added, and an older worker is not asked for them", () => {
    const h = new CoreHarness();
    h.connect(1);
    h.connect(2, {
      services: [
        serviceOf("greeter", "service", [
          handler("greet", "stateless"),
          handler("wave", "stateless"),
        ]),
      ],
    });
    h.invoke("greeter/wave");
    expect([h.starts(1).length, h.starts(2).length]).toEqual([0, 1]);
  });

  test("a new version takes new invocations; what started stays with its own", () => {
    const h = new CoreHarness();
    h.connect(1, { version: "v1" });
    h.invoke("greeter/greet", { body: "old" });
    h.connect(2, { version: "v2" });
    h.invoke("greeter/greet", { body: "new" });
    h.lose(1);
    h.connect(3, { version: "v1" });
    h.invoke("greeter/greet", { body: "newer" });
    expect(h.starts(2).map((it) => text(it.input))).toEqual(["new", "newer"]);
    expect(h.starts(3).map((it) => text(it.input))).toEqual(["old"]);
  });
});
