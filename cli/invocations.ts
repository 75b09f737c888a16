import { InvalidArgumentError, type Command } from "commander";
import type { InvocationDescription, InvocationsBody } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { addControl } from "./control.ts";
import { sendForJson } from "./http.ts";
import { formatDescription } from "./describe.ts";
import { formatAge, formatTable, formatTarget, printJson, type Output } from "./output.ts";

interface ListOptions extends AdminOptions {
  readonly service?: string;
  readonly key?: string;
  readonly status?: string[];
  readonly limit: number;
  readonly cursor?: string;
}

const EXAMPLES = `
Examples:
  $ holdfast invocations list --service cart --status running backing-off
  $ holdfast invocations describe inv_...
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
    .option("--key <key>", "of this key only")
    .option("--status <status...>", "in one of these statuses only: running, suspended, ...")
    .option("--limit <count>", "how many at most", parseLimit, 50)
    .option("--cursor <cursor>", "where the page before ended")
    .action((options: ListOptions) => list(options, output));
  add("describe", "say what an invocation did, what it waits for and what went wrong")
    .argument("<id>", "inv_...")
    .action((id: string, options: AdminOptions) => describe(id, options, output));
  addControl(group, output);
}

async function list(options: ListOptions, output: Output): Promise<void> {
  const query = new URLSearchParams();
  for (const name of ["service", "key", "cursor"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const status of options.status ?? []) query.append("status", status);
  query.set("limit", String(options.limit));
  const answer = await sendForJson(
    adminRequest(options, "GET", `/invocations?${query.toString()}`),
  );
  if (options.json) return printJson(output, answer);
  const body = answer as InvocationsBody; // the runtime's own type of this answer
  output.out(formatList(body, Date.now()));
  if (body.nextCursor !== null) output.err(`more with --cursor ${body.nextCursor}\n`);
}

async function describe(id: string, options: AdminOptions, output: Output): Promise<void> {
  const path = `/invocations/${encodeURIComponent(id)}`;
  const answer = await sendForJson(adminRequest(options, "GET", path));
  if (options.json) return printJson(output, answer);
  // The runtime's own type of this answer.
  output.out(formatDescription(answer as InvocationDescription, Date.now()));
}

function formatList({ invocations }: InvocationsBody, nowMs: number): string {
  if (invocations.length === 0) return "no invocations\n";
  const rows = invocations.map((each) => [
    each.id,
    formatTarget(each.target),
    each.status,
    formatAge(each.statusSince, nowMs),
    String(each.attempts),
    each.lastFailure === null || each.status === "completed" ? "" : each.lastFailure.message,
  ]);
  return formatTable([["ID", "TARGET", "STATUS", "FOR", "ATTEMPTS", "LAST FAILURE"], ...rows]);
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It is a number from 1 up.");
  return Number(text);
}
