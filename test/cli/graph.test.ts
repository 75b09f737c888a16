import { expect, test } from "vitest";
import type { InvocationId } from "../../protocol/ids.ts";
import { formatGraph } from "../../cli/graph.ts";
import type { WaitGraph, WaitGraphNode } from "../../runtime/admin/views.ts";

const NOW_MS = Date.parse("2026-01-02T00:01:00.000Z");
const SINCE = "2026-01-02T00:00:30.000Z";
const id = (name: string): InvocationId => `inv_${name}` as InvocationId; // a branded literal

function node(name: string, more: Partial<WaitGraphNode> = {}): WaitGraphNode {
  return {
    id: id(name),
    target: { service: "account", key: name, handler: "transfer" },
    status: "suspended",
    statusSince: SINCE,
    edges: [],
    others: [],
    ...more,
  };
}

const alone = { parent: null, attached: [], attachedCut: false, inbox: null };

test("each invocation once, with what it waits for below it; a cycle is called one", () => {
  const graph: WaitGraph = {
    nodes: [
      node("a", {
        edges: [
          { kind: "call", to: id("b"), since: SINCE },
          { kind: "attach", to: id("c"), since: SINCE },
        ],
      }),
      node("b", { status: "inboxed", edges: [{ kind: "key", to: id("c"), since: SINCE }] }),
      node("c", {
        edges: [{ kind: "call", to: id("a"), since: SINCE }],
        others: [
          { kind: "sleep", until: "2026-01-02T00:01:05.000Z", command: 1, name: "", since: SINCE },
        ],
      }),
    ],
    cut: false,
    cycles: [[id("a"), id("b"), id("c")]],
    waitedForBy: { ...alone, inbox: { service: "account", key: "a", count: 3 } },
  };
  expect(formatGraph(graph, NOW_MS)).toMatchInlineSnapshot(`
    "account/a/transfer inv_a is suspended, for 30s
      > calls (for 30s)
        account/b/transfer inv_b is inboxed, for 30s
          > waits for its key, held by (for 30s)
            account/c/transfer inv_c is suspended, for 30s
              - sleep until 2026-01-02T00:01:05.000Z (in 5.0 s), for 30s
              > calls inv_a (for 30s): A CYCLE, it is above
      > waits for the outcome of inv_c (for 30s), shown above

    Cycles
      account/a/transfer -> account/b/transfer -> account/c/transfer -> account/a/transfer

    Waited for by
      3 in the inbox of account/a, which it holds
    "
  `);
});

test("what is cut says so, and who waits for it is told", () => {
  const peer = { id: id("p"), target: null, status: null, statusSince: null };
  const graph: WaitGraph = {
    nodes: [node("a", { edges: [{ kind: "call", to: id("z"), since: SINCE }] })],
    cut: true,
    cycles: [],
    waitedForBy: { parent: peer, attached: [peer], attachedCut: true, inbox: null },
  };
  expect(formatGraph(graph, NOW_MS)).toMatchInlineSnapshot(`
    "account/a/transfer inv_a is suspended, for 30s
      > calls inv_z (for 30s), not shown

    Waited for by
      its caller inv_p (forgotten)
      the outcome: inv_p (forgotten)
      the outcome: more than are shown

    There is more than is shown: see --limit, or ask for one of these.
    "
  `);
});
