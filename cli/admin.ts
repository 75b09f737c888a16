/** What all commands that talk to the admin API have in common. */
import { Option, type Command } from "commander";
import type { HttpRequest } from "./http.ts";

export interface AdminOptions {
  readonly json?: true;
  readonly adminUrl: string;
}

export function adminCommand(group: Command, name: string, description: string): Command {
  return group
    .command(name)
    .description(description)
    .option("--json", "print one JSON document")
    .addOption(
      new Option("--admin-url <url>", "where the runtime's admin API is")
        .env("HOLDFAST_ADMIN_URL")
        .default("http://127.0.0.1:9070"),
    );
}

export function adminRequest(
  options: AdminOptions,
  method: HttpRequest["method"],
  path: string,
): HttpRequest {
  return { baseUrl: options.adminUrl, urlFlag: "--admin-url (HOLDFAST_ADMIN_URL)", method, path };
}
