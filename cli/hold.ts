/** Pause and resume of keys and of services. */
import type { Command } from "commander";
import type { HoldBody, PausesBody } from "../runtime/admin/views.ts";
import { adminCommand, adminRequest, type AdminOptions } from "./admin.ts";
import { sendForJson } from "./http.ts";
import { formatAge, formatTable, printJson, type Output } from "./output.ts";

const KEY_EXAMPLES = `
Examples:
  $ holdfast keys pause cart alice     # nothing of cart/alice runs until it is resumed
  $ holdfast keys list
  $ holdfast keys resume cart alice
`;
const SERVICE_EXAMPLES = `
Examples:
  $ holdfast services pause cart       # stop it, mend what it calls, then:
  $ holdfast services resume cart
`;

export function addKeys(program: Command, output: Output): void {
  const group = program
    .command("keys")
    .description("stop all that runs for one key, and let it go on")
    .addHelpText("after", KEY_EXAMPLES);
  const add = (verb: string, description: string): Command =>
    adminCommand(group, verb, description)
      .argument("<service>", "an object or a workflow")
      .argument("<key>")
      .addHelpText("after", KEY_EXAMPLES)
      .action((service: string, key: string, options: AdminOptions) => {
        const path = `/services/${encodeURIComponent(service)}/keys/${encodeURIComponent(key)}/${verb}`;
        return hold(path, options, output);
      });
  adminCommand(group, "list", "list the keys that are paused").action((options: AdminOptions) =>
    listPaused(options, output),
  );
  add("pause", "stop what runs for a key; new calls are accepted and wait");
  add("resume", "let a paused key go on, in the old order");
}

/** They join the commands that look at services. */
export function addServiceHolds(group: Command, output: Output): void {
  const add = (verb: string, description: string): Command =>
    adminCommand(group, verb, description)
      .argument("<service>")
      .addHelpText("after", SERVICE_EXAMPLES)
      .action((service: string, options: AdminOptions) =>
        hold(`/services/${encodeURIComponent(service)}/${verb}`, options, output),
      );
  add("pause", "stop what runs for a service; new calls are accepted and wait");
  add("resume", "let a paused service go on, in the old order");
}

async function listPaused(options: AdminOptions, output: Output): Promise<void> {
  const answer = await sendForJson(adminRequest(options, "GET", "/pauses"));
  const { pauses } = answer as PausesBody; // the runtime's own type of this answer
  const keys = pauses.filter((it) => it.key !== null);
  if (options.json) return printJson(output, keys);
  if (keys.length === 0) return output.out("no paused keys\n");
  const rows = keys.map(({ service, key, since }) => [
    `${service}/${String(key)}`,
    formatAge(since, Date.now()),
  ]);
  output.out(formatTable([["KEY", "PAUSED FOR"], ...rows]));
}

async function hold(path: string, options: AdminOptions, output: Output): Promise<void> {
  const answer = await sendForJson(adminRequest(options, "PATCH", path));
  if (options.json) return printJson(output, answer);
  const body = answer as HoldBody; // the runtime's own type of this answer
  output.out(`${body.effect}\n`);
}
