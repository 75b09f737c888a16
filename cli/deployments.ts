import type { Command } from "commander";
import type { DeploymentView, RemovedBody } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { sendForJson } from "./http.ts";
import { formatAge, formatTable, printJson, type Output } from "./output.ts";

const EXAMPLES = `
A deployment is active (it takes the new invocations of a service), draining (it takes none and has
open ones: keep a worker of it) or drained (stop its workers, and remove it if you like).

Examples:
  $ holdfast deployments list
  $ holdfast deployments describe 2026-01-02
  $ holdfast deployments remove 2026-01-02
`;

export function addDeployments(program: Command, output: Output): void {
  const group = program
    .command("deployments")
    .description("look at the versions of your code, and which of them still have work")
    .addHelpText("after", EXAMPLES);
  const add = (name: string, description: string): Command =>
    adminCommand(group, name, description);

  add("list", "list deployments, with their open invocations and connected workers").action(
    (options: AdminOptions) => list(options, output),
  );
  add("describe", "say what a deployment serves, and whether it can be stopped")
    .argument("<version>")
    .action((version: string, options: AdminOptions) => describe(version, options, output));
  add("remove", "forget a deployment that is drained")
    .argument("<version>")
    .action((version: string, options: AdminOptions) => remove(version, options, output));
}

async function list(options: AdminOptions, output: Output): Promise<void> {
  const answer = await sendForJson(adminRequest(options, "GET", "/deployments"));
  if (options.json) return printJson(output, answer);
  const { deployments } = answer as { deployments: DeploymentView[] }; // the runtime's own type
  if (deployments.length === 0) return output.out("no deployments\n");
  const nowMs = Date.now();
  const rows = deployments.map((it) => [
    it.version,
    it.status,
    String(it.invocations),
    String(it.workers),
    formatAge(it.createdAt, nowMs),
    it.services.join(", "),
  ]);
  const head = ["VERSION", "STATUS", "INVOCATIONS", "WORKERS", "AGE", "SERVICES"];
  output.out(formatTable([head, ...rows]));
  for (const { version, warning } of deployments) {
    if (warning !== null) output.err(`warning: ${version}: ${warning}\n`);
  }
}

async function describe(version: string, options: AdminOptions, output: Output): Promise<void> {
  const path = `/deployments/${encodeURIComponent(version)}`;
  const answer = await sendForJson(adminRequest(options, "GET", path));
  if (options.json) return printJson(output, answer);
  const deployment = answer as DeploymentView; // the runtime's own type of this answer
  const { status, invocations, workers, createdAt, services, warning } = deployment;
  const facts = [
    ["Invocations", `${invocations} open`],
    ["Workers", `${workers} connected`],
    ["Registered", `${createdAt} (${formatAge(createdAt, Date.now())} ago)`],
    ["Services", services.join(", ")],
  ];
  output.out(`deployment ${version} is ${status}: ${meaningOf(deployment)}\n\n`);
  output.out(formatTable(facts));
  if (warning !== null) output.out(`\nWarning: ${warning}\n`);
}

function meaningOf({ status, invocations, workers }: DeploymentView): string {
  switch (status) {
    case "active":
      return "it takes the new invocations of a service";
    case "draining":
      return `it takes no new invocations; keep a worker of it until ${invocations === 1 ? "the open one has" : `the ${invocations} open ones have`} ended`;
    case "drained":
      return workers === 0
        ? "nothing needs it, and it can be removed"
        : "nothing needs it: its workers can be stopped";
  }
}

async function remove(version: string, options: AdminOptions, output: Output): Promise<void> {
  const path = `/deployments/${encodeURIComponent(version)}`;
  const answer = await sendForJson(adminRequest(options, "DELETE", path));
  if (options.json) return printJson(output, answer);
  output.out(`${(answer as RemovedBody).effect}\n`); // the runtime's own type of this answer
}
