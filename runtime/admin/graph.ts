/**
 * The graph of waits: from one invocation to those that it waits for, and on from these.
 *
 * 1. An edge is a call or an attach that is outstanding, or a place in an inbox: that one waits for
 *    the holder of its key.
 * 2. Nearest first, so that what is cut is what is farthest away.
 * 3. A cycle is a way that leads back. It is no error as such: a timer may still break it.
 */
import type { InvocationId, InvocationIdParts } from "../../protocol/ids.ts";
import { parseInvocationId } from "../../protocol/ids.ts";
import { readOr } from "../core/damage.ts";
import { takesKey, type Invocation } from "../core/invocation.ts";
import { lockKey, prefixEnd, readU48, waiterPrefix } from "../core/keys.ts";
import { decodeLock } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { findInvocation } from "./describe.ts";
import type { LiveFacts } from "./facts.ts";
import { MeteredTx } from "./metered-tx.ts";
import { peer, peerOf } from "./summary.ts";
import type {
  InvocationPeer,
  WaitedForBy,
  WaitGraph,
  WaitGraphEdge,
  WaitGraphNode,
  WaitView,
} from "./views.ts";
import { waitsFor, type WaitSource } from "./waits.ts";

const BOUNDS = { commandsMax: 100, aheadMax: 0, signalEntriesMax: 100 };
const ATTACHED_MAX = 100;
const CYCLES_MAX = 100;

export function graphOf(
  tx: ReadTx,
  live: LiveFacts,
  id: InvocationIdParts,
  nodesMax: number,
): WaitGraph | undefined {
  const root = findInvocation(tx, id);
  if (root === undefined) return undefined;
  const { nodes, cut } = reach({ tx: new MeteredTx(tx), live, bounds: BOUNDS }, root, nodesMax);
  return { nodes, cut, cycles: cyclesIn(nodes), waitedForBy: waitedForBy(tx, root) };
}

function reach(
  source: WaitSource,
  root: Invocation,
  nodesMax: number,
): Pick<WaitGraph, "nodes" | "cut"> {
  const nodes: WaitGraphNode[] = [];
  const found = [root];
  const seen = new Set([peerOf(root).id]);
  let cut = false;
  for (const invocation of found) {
    const { waits, cut: left } = waitsFor(source, invocation);
    cut ||= left.length > 0;
    const edges: WaitGraphEdge[] = [];
    const others: WaitView[] = [];
    for (const wait of waits) {
      const edge = edgeOf(wait);
      if (edge === undefined) others.push(wait);
      else edges.push(edge);
    }
    nodes.push({ ...peerOf(invocation), edges, others });
    for (const { to } of edges) {
      if (seen.has(to)) continue;
      const parts = parseInvocationId(to);
      const next = parts && readOr(() => findInvocation(source.tx, parts), undefined);
      if (next === undefined) continue;
      cut ||= found.length === nodesMax;
      if (found.length === nodesMax) break;
      seen.add(to);
      found.push(next);
    }
  }
  return { nodes, cut };
}

function edgeOf(wait: WaitView): WaitGraphEdge | undefined {
  const { kind, since } = wait;
  // One that is gone, or that damage hides, is shown by the id of who waits: no edge leads there.
  if (kind === "key" && wait.holder.target === null) return undefined;
  if (kind === "call" || kind === "attach") return { kind, to: wait.invocation.id, since };
  return kind === "key" ? { kind, to: wait.holder.id, since } : undefined;
}

/** Depth first, without recursion: a chain may be as long as there are nodes. */
function cyclesIn(nodes: readonly WaitGraphNode[]): InvocationId[][] {
  const byId = new Map(nodes.map((it) => [it.id, it]));
  const done = new Set<InvocationId>();
  const cycles: InvocationId[][] = [];
  for (const { id } of nodes) {
    if (done.has(id)) continue;
    const path = [id];
    const ways = [targetsOf(byId.get(id))];
    while (path.length > 0) {
      const next = ways.at(-1)?.shift();
      if (next === undefined) {
        const left = path.pop();
        ways.pop();
        if (left !== undefined) done.add(left);
        continue;
      }
      const at = path.indexOf(next);
      if (at >= 0 && cycles.length < CYCLES_MAX) cycles.push(path.slice(at));
      if (at >= 0 || done.has(next)) continue;
      path.push(next);
      ways.push(targetsOf(byId.get(next)));
    }
  }
  return cycles;
}

function targetsOf(node: WaitGraphNode | undefined): InvocationId[] {
  return [...new Set(node?.edges.map((it) => it.to))];
}

function waitedForBy(tx: ReadTx, invocation: Invocation): WaitedForBy {
  const prefix = waiterPrefix(invocation.sequence);
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit: ATTACHED_MAX + 1 });
  const attached = rows.slice(0, ATTACHED_MAX).flatMap(([key]): InvocationPeer[] => {
    const waiting = peer(tx, readU48(key, prefix.length));
    return waiting === null ? [] : [waiting];
  });
  const open = invocation.status !== "completed";
  return {
    parent: open && invocation.parent ? peer(tx, invocation.parent.sequence) : null,
    attached,
    attachedCut: rows.length > ATTACHED_MAX,
    inbox: inboxOf(tx, invocation),
  };
}

function inboxOf(tx: ReadTx, invocation: Invocation): WaitedForBy["inbox"] {
  const { service, key } = invocation.target;
  if (key === null || !takesKey(invocation)) return null;
  const row = tx.get(lockKey(service, key));
  const lock = row && readOr(() => decodeLock(row), undefined);
  return lock?.holder === invocation.sequence ? { service, key, count: lock.waiting } : null;
}
