import { InvalidArgumentError, Option, type Command } from "commander";
import type {
  ControlBody,
  InvocationDescription,
  InvocationsBody,
} from "../runtime/admin/views.ts";
import { sendForJson, type HttpRequest } from "./http.ts";
import { formatDescription } from "./describe.ts";
import { formatAge, formatTable, formatTarget, printJson, type Output } from "./output.ts";

interface AdminOptions {
  readonly json?: true;
  readonly adminUrl: string;
}

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
`;

export function addInvocations(program: Command, output: Output): void {
  const group = program
    .command("invocations")
    .description("look at invocations, and stop them")
    .addHelpText("after", EXAMPLES);
  const add = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .option("--json", "print one JSON document")
      .addOption(
        new Option("--admin-url <url>", "where the runtime's admin API is")
          .env("HOLDFAST_ADMIN_URL")
          .default("http://127.0.0.1:9070"),
      );

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
  add("cancel", "ask an invocation to stop: its code sees a CancelledError and may clean up")
    .argument("<id>", "inv_...")
    .action((id: string, options: AdminOptions) => control(id, "cancel", options, output));
  add("kill", "end an invocation at once: its code is not asked")
    .argument("<id>", "inv_...")
    .action((id: string, options: AdminOptions) => control(id, "kill", options, output));
}

async function list(options: ListOptions, output: Output): Promise<void> {
  const query = new URLSearchParams();
  for (const name of ["service", "key", "cursor"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const status of options.status ?? []) query.append("status", status);
  query.set("limit", String(options.limit));
  const answer = await sendForJson(admin(options, "GET", `/invocations?${query.toString()}`));
  if (options.json) return printJson(output, answer);
  const body = answer as InvocationsBody; // the runtime's own type of this answer
  output.out(formatList(body, Date.now()));
  if (body.nextCursor !== null) output.err(`more with --cursor ${body.nextCursor}\n`);
}

async function describe(id: string, options: AdminOptions, output: Output): Promise<void> {
  const path = `/invocations/${encodeURIComponent(id)}`;
  const answer = await sendForJson(admin(options, "GET", path));
  if (options.json) return printJson(output, answer);
  // The runtime's own type of this answer.
  output.out(formatDescription(answer as InvocationDescription, Date.now()));
}

async function control(
  id: string,
  verb: "cancel" | "kill",
  options: AdminOptions,
  output: Output,
): Promise<void> {
  const path = `/invocations/${encodeURIComponent(id)}/${verb}`;
  const answer = await sendForJson(admin(options, "PATCH", path));
  if (options.json) return printJson(output, answer);
  const body = answer as ControlBody; // the runtime's own type of this answer
  output.out(`${body.effect}\n`);
}

function admin(options: AdminOptions, method: HttpRequest["method"], path: string): HttpRequest {
  return { baseUrl: options.adminUrl, urlFlag: "--admin-url (HOLDFAST_ADMIN_URL)", method, path };
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
