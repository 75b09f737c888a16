/** The table, from what was measured in all rounds. */
import type { PeerName } from "../peers/peer.ts";
import type { Goal, Measurement, Metric, Workload } from "../workloads/workload.ts";
import { short, spreadOf, type Spread } from "./numbers.ts";

export type Outcome = Measurement | { readonly error: string };

export interface Sample {
  readonly workload: Workload;
  readonly peer: PeerName;
  readonly round: number;
  readonly outcome: Outcome;
}

export interface Row {
  readonly id: number;
  readonly title: string;
  readonly metric: string;
  readonly figures: Partial<Record<PeerName, Spread>>;
  /** Holdfast's median by Restate's. */
  readonly ratio: number | undefined;
  readonly must: string;
  readonly aim: string;
  readonly verdict: "aim" | "must" | "MISSED" | "";
}

export function rowsOf(samples: readonly Sample[]): Row[] {
  const workloads = [...new Set(samples.map((it) => it.workload))];
  return workloads.flatMap((workload) =>
    workload.metrics.map((metric) =>
      rowOf(
        workload,
        metric,
        samples.filter((it) => it.workload === workload),
      ),
    ),
  );
}

function rowOf(workload: Workload, metric: Metric, samples: readonly Sample[]): Row {
  const figures: Partial<Record<PeerName, Spread>> = {};
  for (const peer of workload.peers) {
    const values = samples
      .filter((it) => it.peer === peer)
      .flatMap(({ outcome }) => ("error" in outcome ? [] : [outcome.figures[metric.name]]))
      .filter((it) => it !== undefined);
    if (values.length > 0) figures[peer] = spreadOf(values);
  }
  const ours = figures.holdfast?.median;
  const theirs = figures.restate?.median;
  const ratio = ours === undefined || theirs === undefined ? undefined : ours / theirs;
  const reached = (goal: Goal | undefined): boolean | undefined => {
    if (goal === undefined) return undefined;
    const [value, limit] = "ratio" in goal ? [ratio, goal.ratio] : [ours, goal.value];
    if (value === undefined || Number.isNaN(value)) return undefined;
    return metric.better === "higher" ? value >= limit : value <= limit;
  };
  return {
    id: workload.id,
    title: workload.title,
    metric: metric.name,
    figures,
    ratio,
    must: goalText(metric.must),
    aim: goalText(metric.aim),
    verdict: verdictOf(reached(metric.must), reached(metric.aim)),
  };
}

function verdictOf(must: boolean | undefined, aim: boolean | undefined): Row["verdict"] {
  if (aim === true) return "aim";
  if (must === undefined) return "";
  return must ? "must" : "MISSED";
}

function goalText(goal: Goal | undefined): string {
  if (goal === undefined) return "";
  return "ratio" in goal ? `${goal.ratio}x` : String(goal.value);
}

const TITLE_CHARACTERS = 44;

/** As Markdown: it reads well in a terminal, and can be pasted as it is. */
export function tableOf(rows: readonly Row[], peers: readonly PeerName[]): string {
  const head = ["#", "workload", "metric", ...peers, "ratio", "must", "aim", "reached"];
  const lines = rows.map((row, at) => {
    const isFirst = rows[at - 1]?.title !== row.title;
    return [
      isFirst ? String(row.id) : "",
      isFirst ? shorten(row.title) : "",
      row.metric,
      ...peers.map((peer) => spreadText(row.figures[peer])),
      row.ratio === undefined ? "" : `${short(row.ratio)}x`,
      row.must,
      row.aim,
      row.verdict,
    ];
  });
  return markdown(head, lines);
}

/** What each request cost: the medians of the details. */
export function detailsOf(samples: readonly Sample[]): string {
  const lines = [...new Set(samples.map((it) => it.workload))].flatMap((workload) =>
    workload.peers.flatMap((peer) => {
      const details = samples
        .filter((it) => it.workload === workload && it.peer === peer)
        .flatMap(({ outcome }) => ("error" in outcome ? [] : [outcome.details]));
      const names = Object.keys(details[0] ?? {});
      if (names.length === 0) return [];
      const texts = names.map((name) => {
        const values = details.map((it) => it[name]).filter((it) => typeof it === "number");
        return `${name} ${values.length === 0 ? "unavailable" : short(spreadOf(values).median)}`;
      });
      return [[String(workload.id), peer, texts.join(", ")]];
    }),
  );
  return markdown(["#", "peer", "per request and other details, medians"], lines);
}

export function errorsOf(samples: readonly Sample[]): string {
  return samples
    .flatMap(({ workload, peer, round, outcome }) =>
      "error" in outcome
        ? [`${workload.id} ${shorten(workload.title)}, ${peer}, round ${round}: ${outcome.error}`]
        : [],
    )
    .join("\n\n");
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return "";
  const { median, min, max } = spread;
  return min === max ? short(median) : `${short(median)} (${short(min)}-${short(max)})`;
}

function shorten(title: string): string {
  return title.length <= TITLE_CHARACTERS ? title : `${title.slice(0, TITLE_CHARACTERS - 1)}…`;
}

function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const text = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [text(head), text(widths.map((width) => "-".repeat(width))), ...lines.map(text)].join(
    "\n",
  );
}
