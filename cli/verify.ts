import type { Command } from "commander";
import { directoryError } from "./directory-error.ts";
import { CliError, ExitCode } from "./exit.ts";
import { printJson, type Output } from "./output.ts";
// Types only: what checks is loaded when it is asked for, so that `holdfast --help` is instant.
import type { DirectoryReport, Problem } from "../runtime/verify/directory.ts";

const HELP = `
Checks a data directory while no runtime has it: every row can be read and has its checksum, and all
that refer to each other agree. Changes nothing. Prints each problem on a line, with the row that it is
about. Exit codes: 0 no problem, 1 problems, 3 the directory is in use, 4 it is no data directory of
this version. A file that LMDB itself cannot read may end this process with a signal.

Example:
  $ holdfast verify ./data
`;

/** More are counted, and not printed. */
const PRINTED_MAX = 1_000;

export function addVerify(program: Command, output: Output): void {
  program
    .command("verify")
    .description("check a data directory that no runtime has open")
    .argument("<directory>", "what --data-dir named")
    .option("--json", "print one JSON document")
    .addHelpText("after", HELP)
    .action((directory: string, { json }: { readonly json?: true }) =>
      verify(directory, json ?? false, output),
    );
}

async function verify(directory: string, json: boolean, output: Output): Promise<void> {
  const problems: Problem[] = [];
  const report = await check(directory, (problem) => {
    if (problems.length === PRINTED_MAX) return;
    problems.push(problem);
    if (!json) output.out(`${problem.row}: ${problem.problem}\n`);
  });
  const { rows, invocations, batchNumber, problems: count } = report;
  const summary = `${rows} rows, ${invocations} invocations, up to batch ${batchNumber}`;
  if (json) printJson(output, { ...report, found: problems });
  else if (count === 0) output.out(`sound: ${summary}\n`);
  if (count === 0) return;
  const unprinted = count - problems.length;
  const more = unprinted > 0 ? ` (${unprinted} of them not printed)` : "";
  throw new CliError(
    `${count} problem${count === 1 ? "" : "s"}${more} in ${summary}; restore from a backup, or ask for help with this list`,
    ExitCode.failed,
  );
}

async function check(
  directory: string,
  onProblem: (problem: Problem) => void,
): Promise<DirectoryReport> {
  const { verifyDirectory } = await import("../runtime/verify/directory.ts");
  try {
    return await verifyDirectory(directory, onProblem);
  } catch (error) {
    throw directoryError(error, "the directory could not be checked");
  }
}
