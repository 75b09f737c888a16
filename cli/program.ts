/** The command line: which commands there are, and how their errors become exit codes. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { CliError, ExitCode } from "./exit.ts";
import { addDeployments } from "./deployments.ts";
import { addKeys } from "./hold.ts";
import { addInvocations } from "./invocations.ts";
import { addInvoke } from "./invoke.ts";
import type { Output } from "./output.ts";
import { addServices } from "./services.ts";
import { addStart } from "./start.ts";
import { addVerify } from "./verify.ts";

const EXAMPLES = `
Examples:
  $ holdfast start --data-dir ./data
  $ holdfast invoke counter alice add --data 2
  $ holdfast invocations list --status backing-off
  $ holdfast invocations describe inv_...
`;

/** Runs one command to its end. Resolves to the exit code; never throws for what a user did. */
export async function run(args: readonly string[], output: Output): Promise<number> {
  const program = new Command("holdfast")
    .description(
      "Durable actors for TypeScript: run a runtime, call handlers, look at invocations.",
    )
    .version(version())
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .showHelpAfterError("(add --help for what is possible)")
    .addHelpText("after", EXAMPLES);
  addStart(program, output);
  addVerify(program, output);
  addInvoke(program, output);
  addInvocations(program, output);
  addKeys(program, output);
  addServices(program, output);
  addDeployments(program, output);
  try {
    await program.parseAsync([...args], { from: "user" });
    return ExitCode.ok;
  } catch (error) {
    // Commander has printed its own message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    if (!(error instanceof CliError)) throw error;
    const asJson = args.includes("--json") && error.body !== undefined;
    output.err(asJson ? `${JSON.stringify(error.body)}\n` : `error: ${error.message}\n`);
    return error.exitCode;
  }
}

function version(): string {
  // The package's own name: the file is elsewhere from the sources than from the built package.
  const manifest: unknown = createRequire(import.meta.url)("holdfast/package.json");
  const known = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return known ? String(manifest.version) : "unknown";
}
