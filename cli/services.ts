import type { Command } from "commander";
import type { HandlerView, ServiceView } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { addServiceHolds } from "./hold.ts";
import { sendForJson } from "./http.ts";
import { formatAge, formatDuration, formatTable, printJson, type Output } from "./output.ts";

const EXAMPLES = `
Examples:
  $ holdfast services list
  $ holdfast services describe cart
  $ holdfast services pause cart
`;

export function addServices(program: Command, output: Output): void {
  const group = program
    .command("services")
    .description("look at services, and take hold of all that runs for one")
    .addHelpText("after", EXAMPLES);
  const add = (name: string, description: string): Command =>
    adminCommand(group, name, description);

  add("list", "list services").action((options: AdminOptions) => list(options, output));
  add("describe", "say what a service's handlers are and how they are retried")
    .argument("<service>")
    .action((service: string, options: AdminOptions) => describe(service, options, output));
  addServiceHolds(group, output);
}

async function list(options: AdminOptions, output: Output): Promise<void> {
  const answer = await sendForJson(adminRequest(options, "GET", "/services"));
  if (options.json) return printJson(output, answer);
  const { services } = answer as { services: ServiceView[] }; // the runtime's own type
  if (services.length === 0) return output.out("no services: start a worker that announces some\n");
  const rows = services.map(({ name, kind, deployment, handlers }) => [
    name,
    kind,
    deployment,
    handlers.map((it) => it.name).join(", "),
  ]);
  output.out(formatTable([["NAME", "KIND", "DEPLOYMENT", "HANDLERS"], ...rows]));
  for (const it of services) output.err(pauseOf(it));
}

async function describe(service: string, options: AdminOptions, output: Output): Promise<void> {
  const path = `/services/${encodeURIComponent(service)}`;
  const answer = await sendForJson(adminRequest(options, "GET", path));
  if (options.json) return printJson(output, answer);
  const view = answer as ServiceView; // as above
  const { name, kind, deployment, description, handlers } = view;
  const about = description === "" ? "" : `${description}\n`;
  output.out(
    `${name} is ${kind === "object" ? "an" : "a"} ${kind}; deployment ${deployment} takes its new invocations\n${about}\n`,
  );
  const rows = handlers.map((it) => [
    it.name,
    it.mode,
    accessOf(it),
    retryOf(it.retry),
    it.description,
  ]);
  output.out(formatTable([["HANDLER", "MODE", "CALLABLE", "RETRIES", "ABOUT"], ...rows]));
  output.err(pauseOf(view));
}

/** Nothing of it runs: whoever looks at it should not miss that. */
function pauseOf({ name, pausedSince }: ServiceView): string {
  if (pausedSince === null) return "";
  const age = formatAge(pausedSince, Date.now());
  return `${name} is paused, for ${age}; let it go on with: holdfast services resume ${name}\n`;
}

function accessOf(handler: HandlerView): string {
  return handler.public ? "over HTTP" : "by handlers";
}

function retryOf(policy: HandlerView["retry"]): string {
  if (policy === null) return "as the runtime's default";
  const { initialIntervalMs, maxIntervalMs, maxAttempts, maxDurationMs, onMaxAttempts } = policy;
  const every = `${formatDuration(initialIntervalMs)} to ${formatDuration(maxIntervalMs)}`;
  const limits = [
    maxAttempts === null ? [] : [`${maxAttempts} attempts`],
    maxDurationMs === null ? [] : [formatDuration(maxDurationMs)],
  ].flat();
  return limits.length === 0 ? every : `${every}, after ${limits.join(" or ")} ${onMaxAttempts}`;
}
