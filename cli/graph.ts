/** The graph of waits as a tree: each invocation once, with what it waits for below it. */
import type { WaitGraph, WaitGraphEdge, WaitGraphNode } from "../runtime/admin/views.ts";
import { formatAge, formatTarget } from "./output.ts";
import { formatPeer, formatWait } from "./waits.ts";

type Id = WaitGraphNode["id"];

const EDGE_LABELS = {
  call: "calls",
  attach: "waits for the outcome of",
  key: "waits for its key, held by",
} as const;

export function formatGraph(graph: WaitGraph, nowMs: number): string {
  const tree = new Tree(graph, nowMs);
  const [root] = graph.nodes;
  if (root) tree.root(root);
  const cut = graph.cut
    ? ["", "There is more than is shown: see --limit, or ask for one of these."]
    : [];
  return [...tree.lines, ...cyclesOf(graph), ...waitedFor(graph), ...cut, ""].join("\n");
}

class Tree {
  readonly lines: string[] = [];
  readonly #nodes: ReadonlyMap<Id, WaitGraphNode>;
  readonly #nowMs: number;
  readonly #shown = new Set<Id>();

  constructor(graph: WaitGraph, nowMs: number) {
    this.#nodes = new Map(graph.nodes.map((it) => [it.id, it]));
    this.#nowMs = nowMs;
  }

  root(node: WaitGraphNode): void {
    this.lines.push(this.#title(node));
    this.#below(node, "", []);
  }

  #edge({ kind, to, since }: WaitGraphEdge, indent: string, path: readonly Id[]): void {
    const label = `${indent}> ${EDGE_LABELS[kind]}`;
    const age = `(for ${formatAge(since, this.#nowMs)})`;
    const next = this.#nodes.get(to);
    if (path.includes(to)) this.lines.push(`${label} ${to} ${age}: A CYCLE, it is above`);
    else if (next === undefined) this.lines.push(`${label} ${to} ${age}, not shown`);
    else if (this.#shown.has(to)) this.lines.push(`${label} ${to} ${age}, shown above`);
    else {
      this.lines.push(`${label} ${age}`);
      this.lines.push(`${indent}  ${this.#title(next)}`);
      this.#below(next, `${indent}  `, path);
    }
  }

  #below(node: WaitGraphNode, indent: string, path: readonly Id[]): void {
    this.#shown.add(node.id);
    const below = `${indent}  `;
    for (const wait of node.others) this.lines.push(`${below}- ${formatWait(wait, this.#nowMs)}`);
    for (const edge of node.edges) this.#edge(edge, below, [...path, node.id]);
  }

  #title({ id, target, status, statusSince }: WaitGraphNode): string {
    const name = target === null ? "" : `${formatTarget(target)} `;
    const age = statusSince === null ? "" : `, for ${formatAge(statusSince, this.#nowMs)}`;
    return `${name}${id} is ${status ?? "forgotten"}${age}`;
  }
}

function cyclesOf({ cycles, nodes }: WaitGraph): string[] {
  if (cycles.length === 0) return [];
  const names = new Map(nodes.map(({ id, target }) => [id, target ? formatTarget(target) : id]));
  const lines = cycles.map((cycle) =>
    [...cycle, ...cycle.slice(0, 1)].map((id) => names.get(id) ?? id).join(" -> "),
  );
  return ["", "Cycles", ...lines.map((it) => `  ${it}`)];
}

function waitedFor({ waitedForBy }: WaitGraph): string[] {
  const { parent, attached, attachedCut, inbox } = waitedForBy;
  const lines = [
    ...(parent === null ? [] : [`its caller ${formatPeer(parent)}`]),
    ...attached.map((it) => `the outcome: ${formatPeer(it)}`),
    ...(attachedCut ? ["the outcome: more than are shown"] : []),
    ...(inbox !== null && inbox.count > 0
      ? [`${inbox.count} in the inbox of ${inbox.service}/${inbox.key}, which it holds`]
      : []),
  ];
  return lines.length === 0 ? [] : ["", "Waited for by", ...lines.map((it) => `  ${it}`)];
}
