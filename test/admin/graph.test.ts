/** The graph of waits: through calls, attaches and keys; what else holds up; cycles; the other way. */
import { describe, expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { bytes } from "../support/core-harness.ts";
import { AdminHarness } from "./support.ts";

const callOf = (key: string, completionId: number) =>
  ({
    kind: "call",
    target: { service: "counter", key, handler: "add" },
    parameter: bytes("1"),
    headers: [],
    idempotencyKey: null,
    completionId,
  }) as const;

function harness(): AdminHarness {
  const h = new AdminHarness();
  h.connect(1);
  return h;
}

/** An exclusive invocation of `from` that calls `to`. */
function calls(h: AdminHarness, from: string, to: string): InvocationId {
  const id = h.accept(`counter/${from}/add`);
  h.attemptOf(1, id).issue(callOf(to, 1));
  return id;
}

test("a chain: the call, the holder of its key, and what that waits for", async () => {
  const h = harness();
  const holder = h.accept("counter/b/add");
  h.attemptOf(1, holder).issue({ kind: "awakeable", completionId: 1 }, { name: "approval" });
  const caller = calls(h, "a", "b");
  const { nodes, cycles, cut } = await h.graph(caller);
  const [first, second, third] = nodes;
  expect([first?.id, third?.id, nodes.length, cut, cycles]).toEqual([caller, holder, 3, false, []]);
  expect(first?.edges).toMatchObject([{ kind: "call", to: second?.id }]);
  expect(second).toMatchObject({
    status: "inboxed",
    edges: [{ kind: "key", to: holder }],
    others: [],
  });
  expect(third).toMatchObject({ edges: [], others: [{ kind: "awakeable", name: "approval" }] });
});

test("a cycle of two keys is named once, from whichever of them it is asked", async () => {
  const h = harness();
  const a = h.accept("counter/a/add");
  const b = h.accept("counter/b/add");
  h.attemptOf(1, a).issue(callOf("b", 1));
  h.attemptOf(1, b).issue(callOf("a", 1));
  const { nodes, cycles } = await h.graph(a);
  expect(nodes).toHaveLength(4);
  expect(cycles).toHaveLength(1);
  expect(cycles[0]).toHaveLength(4);
  expect(cycles[0]).toEqual(expect.arrayContaining([a, b]));
  expect((await h.graph(b)).cycles).toHaveLength(1);
});

test("a call to its own key is the smallest cycle", async () => {
  const h = harness();
  const id = calls(h, "a", "a");
  const { nodes, cycles } = await h.graph(id);
  expect([nodes.length, cycles[0]?.length]).toEqual([2, 2]);
});

test("a way that leads to a cycle is not part of it", async () => {
  const h = harness();
  const a = h.accept("counter/a/add");
  const b = h.accept("counter/b/add");
  h.attemptOf(1, a).issue(callOf("b", 1));
  h.attemptOf(1, b).issue(callOf("a", 1));
  const outside = calls(h, "c", "a");
  const { nodes, cycles } = await h.graph(outside);
  expect(nodes[0]?.id).toBe(outside);
  expect(cycles).toHaveLength(1);
  expect(cycles.flat()).not.toContain(outside);
});

test("two ways to one invocation are two edges, and no cycle", async () => {
  const h = harness();
  const target = h.accept("greeter/greet");
  const id = h.accept("counter/a/add");
  const attempt = h.attemptOf(1, id);
  attempt.issue({ kind: "attach", invocationId: target, completionId: 1 });
  attempt.issue({ kind: "attach", invocationId: target, completionId: 2 });
  const { nodes, cycles } = await h.graph(id);
  expect(nodes.map((it) => it.edges.length)).toEqual([2, 0]);
  expect(cycles).toEqual([]);
});

test("a cycle that two ways lead to is named once", async () => {
  const h = harness();
  const stuck = calls(h, "z", "z");
  const root = h.accept("counter/root/add");
  const attempt = h.attemptOf(1, root);
  attempt.issue({ kind: "attach", invocationId: calls(h, "x", "z"), completionId: 1 });
  attempt.issue({ kind: "attach", invocationId: calls(h, "y", "z"), completionId: 2 });
  const { cycles } = await h.graph(root);
  expect(cycles).toHaveLength(1);
  expect(cycles[0]).toContain(stuck);
});

test("nearest first, and what is cut says so: an edge still names where it leads", async () => {
  const h = harness();
  const root = h.accept("counter/root/add");
  const attempt = h.attemptOf(1, root);
  for (let i = 1; i <= 5; i++) attempt.issue(callOf(`leaf${i}`, i));
  const { nodes, cut } = await h.graph(root, 3);
  expect([nodes.length, cut]).toEqual([3, true]);
  expect(nodes[0]?.edges).toHaveLength(5);
  expect((await h.graph(root, 6)).cut).toBe(false);
});

describe("the other way", () => {
  test("its caller, those that attach, and the inbox of its key", async () => {
    const h = harness();
    const caller = calls(h, "a", "b");
    const { nodes } = await h.graph(caller);
    const callee = nodes[1]?.id;
    if (callee === undefined) throw new Error("the call has led nowhere");
    const attaching = h.accept("greeter/greet");
    const attach = { kind: "attach", invocationId: callee, completionId: 1 } as const;
    h.attemptOf(1, attaching).issue(attach);
    h.accept("counter/b/add");
    h.accept("counter/b/add");
    expect((await h.graph(callee)).waitedForBy).toMatchObject({
      parent: { id: caller },
      attached: [{ id: attaching }],
      attachedCut: false,
      inbox: { service: "counter", key: "b", count: 2 },
    });
  });

  test("nobody", async () => {
    const h = harness();
    const id = h.accept("greeter/greet");
    const nobody = { parent: null, attached: [], attachedCut: false, inbox: null };
    expect((await h.graph(id)).waitedForBy).toEqual(nobody);
  });
});
