/** What every command that asks the admin API has in common. */
import { Option, type Command } from "commander";
import type { HttpRequest } from "./http.ts";

export interface AdminOptions {
  readonly json?: true;
  readonly adminUrl: string;
}

export function withAdminOptions(command: Command): Command {
  return command
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
