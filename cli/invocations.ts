import { InvalidArgumentError, type Command } from "commander";
import type { InvocationDescription, WaitGraph } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { addControl } from "./control.ts";
import { formatDescription } from "./describe.ts";
import { formatGraph } from "./graph.ts";
import { sendForJson } from "./http.ts";
import { list, type ListOptions } from "./list.ts";
import { printJson, type Output } from "./output.ts";

interface DescribeOptions extends AdminOptions {
  readonly from?: number;
  readonly limit: number;
}

interface GraphOptions extends AdminOptions {
  readonly limit: number;
}

const EXAMPLES = `
Examples:
  $ holdfast invocations list --service cart --status running backing-off
  $ holdfast invocations describe inv_...
  $ holdfast invocations graph inv_...
  $ holdfast invocations cancel inv_...
  $ holdfast invocations kill --service cart --key alice --yes
`;

export function addInvocations(program: Command, output: Output): void {
  const group = program
    .command("invocations")
    .description("look at invocations, and take hold of them")
    .addHelpText("after", EXAMPLES);
  const add = (name: string, description: string): Command =>
    adminCommand(group, name, description);

  add("list", "list invocations, oldest first")
    .option("--service <name>", "of this service only")
    .option("--handler <name>", "of this handler only")
    .option("--key <key>", "of this key only")
    .option("--deployment <version>", "pinned to this deployment only")
    .option("--status <status...>", "in one of these statuses only: running, suspended, ...")
    .option("--limit <count>", "how many at most", parseLimit, 50)
    .option("--cursor <cursor>", "where the page before ended")
    .action((options: ListOptions) => list(options, output));
  add("describe", "say where an invocation is, what it waits for, what went wrong and what to do")
    .argument("<id>", "inv_...")
    .option("--from <index>", "entries of its journal from here on; default: the last", parseIndex)
    .option("--limit <count>", "how many entries of its journal at most", parseLimit, 100)
    .action((id: string, options: DescribeOptions) => describe(id, options, output));
  add("graph", "show which invocations it waits for, and what those wait for")
    .argument("<id>", "inv_...")
    .option("--limit <count>", "how many invocations at most", parseLimit, 200)
    .action((id: string, options: GraphOptions) => graph(id, options, output));
  addControl(group, output);
}

async function describe(id: string, options: DescribeOptions, output: Output): Promise<void> {
  const query = new URLSearchParams({ journalLimit: String(options.limit) });
  if (options.from !== undefined) query.set("journalFrom", String(options.from));
  const path = `/invocations/${encodeURIComponent(id)}?${query.toString()}`;
  const answer = await sendForJson(adminRequest(options, "GET", path));
  if (options.json) return printJson(output, answer);
  // The runtime's own type of this answer.
  output.out(formatDescription(answer as InvocationDescription, Date.now()));
}

async function graph(id: string, options: GraphOptions, output: Output): Promise<void> {
  const path = `/invocations/${encodeURIComponent(id)}/graph?limit=${options.limit}`;
  const answer = await sendForJson(adminRequest(options, "GET", path));
  if (options.json) return printJson(output, answer);
  output.out(formatGraph(answer as WaitGraph, Date.now())); // the runtime's own type
}

function parseIndex(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("It is a number from 0 up.");
  return Number(text);
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It is a number from 1 up.");
  return Number(text);
}
