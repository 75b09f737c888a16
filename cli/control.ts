/** Taking hold of invocations: of some by their ids, or of all that match. */
import type { Command } from "commander";
import type { BulkBody, ControlBody } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { CliError, ExitCode } from "./exit.ts";
import { sendForJson } from "./http.ts";
import { printJson, type Output } from "./output.ts";

const VERBS = {
  cancel: "ask invocations to stop: their code sees a CancelledError and may clean up",
  kill: "end invocations and the calls they wait for at once: their code is not asked",
  pause: "stop invocations where they are; each keeps its key until it is resumed",
  resume: "let go on what is paused, and at once what backs off",
  purge: "forget invocations that have ended, before their retention is over",
} as const;
type Verb = keyof typeof VERBS;

interface ControlOptions extends AdminOptions {
  readonly service?: string;
  readonly handler?: string;
  readonly key?: string;
  readonly status?: string[];
  readonly deployment?: string;
  readonly yes?: true;
}

export function addControl(group: Command, output: Output): void {
  for (const verb of ["cancel", "kill", "pause", "resume", "purge"] as const) {
    const command = adminCommand(group, verb, VERBS[verb])
      .argument("[ids...]", "inv_...")
      .option("--service <name>", "instead of ids: all of this service")
      .option("--handler <name>", "instead of ids: all of this handler")
      .option("--key <key>", "instead of ids: all of this key")
      .option("--status <status...>", "instead of ids: all in one of these statuses")
      .option("--yes", "needed for all that match")
      .addHelpText("after", examples(verb))
      .action((ids: string[], options: ControlOptions) => control(verb, ids, options, output));
    if (verb === "resume") {
      command.option("--deployment <version>", "on another one: its version, or latest");
    }
  }
}

async function control(
  verb: Verb,
  ids: readonly string[],
  options: ControlOptions,
  output: Output,
): Promise<void> {
  const filters = filtersOf(options);
  const filtered = filters.size > 0;
  if (ids.length > 0 && filtered) throw usage("give ids or filters, not both");
  if (ids.length === 0 && !filtered) {
    throw usage(`say what to ${verb}: ids, or one of --service, --handler, --key, --status`);
  }
  if (options.deployment !== undefined) filters.set("deployment", options.deployment);
  if (!filtered) return controlEach(verb, ids, filters, options, output);
  if (!options.yes) {
    throw usage(
      `this would ${verb} all that match; look at them with \`holdfast invocations list\`, then add --yes`,
    );
  }
  await controlMatching(verb, filters, options, output);
}

/** Each on its own: one that is refused does not stop the others, and makes the exit code 1. */
async function controlEach(
  verb: Verb,
  ids: readonly string[],
  query: URLSearchParams,
  options: ControlOptions,
  output: Output,
): Promise<void> {
  const answers: unknown[] = [];
  let refused = 0;
  for (const id of ids) {
    const path = `/invocations/${encodeURIComponent(id)}/${verb}${queryOf(query)}`;
    try {
      const body = (await sendForJson(adminRequest(options, "PATCH", path))) as ControlBody; // the runtime's own type of this answer
      answers.push(body);
      if (!options.json)
        output.out(ids.length === 1 ? `${body.effect}\n` : `${id}: ${body.effect}\n`);
    } catch (error) {
      if (!(error instanceof CliError) || error.body === undefined || ids.length === 1) throw error;
      refused++;
      answers.push({ invocationId: id, error: error.body });
      if (!options.json) output.err(`${id}: ${error.message}\n`);
    }
  }
  if (options.json) printJson(output, ids.length === 1 ? answers[0] : answers);
  if (refused > 0) throw new CliError(`${refused} of ${ids.length} were refused`);
}

/** In pieces, so that the runtime does other things in between. */
async function controlMatching(
  verb: Verb,
  query: URLSearchParams,
  options: ControlOptions,
  output: Output,
): Promise<void> {
  const total = { matched: 0, applied: 0, appended: 0, refused: 0 };
  for (;;) {
    const path = `/invocations/${verb}${queryOf(query)}`;
    const body = (await sendForJson(adminRequest(options, "PATCH", path))) as BulkBody; // as above
    for (const name of ["matched", "applied", "appended", "refused"] as const) {
      total[name] += body[name];
    }
    if (body.nextCursor === null) break;
    output.err(`${verb}: ${total.matched} so far\n`);
    query.set("cursor", body.nextCursor);
  }
  if (options.json) return printJson(output, total);
  const { matched, applied, appended, refused } = total;
  output.out(
    `${verb}: ${matched} matched; ${applied} done, ${appended} recorded and seen by their code or at their turn, ${refused} refused\n`,
  );
}

function filtersOf(options: ControlOptions): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ["service", "handler", "key"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const status of options.status ?? []) query.append("status", status);
  return query;
}

function queryOf(query: URLSearchParams): string {
  return query.size === 0 ? "" : `?${query.toString()}`;
}

function usage(message: string): CliError {
  return new CliError(message, ExitCode.usage);
}

function examples(verb: Verb): string {
  const more: Readonly<Partial<Record<Verb, string>>> = {
    resume: `  $ holdfast invocations resume inv_... --deployment latest\n`,
    purge: `  $ holdfast invocations purge --service cart --status completed --yes\n`,
  };
  return `
Examples:
  $ holdfast invocations ${verb} inv_...
  $ holdfast invocations ${verb} --service cart --key alice --yes
${more[verb] ?? ""}`;
}
