import { CliError, ExitCode } from "./exit.ts";

const CODES: ReadonlyMap<string, number> = new Map([
  ["DirectoryInUseError", ExitCode.directoryInUse],
  ["UnknownFormatError", ExitCode.unknownFormat],
]);

/** What kept a command from a data directory, with its exit code. By name: the classes load LMDB. */
export function directoryError(error: unknown, otherwise: string): CliError {
  if (!(error instanceof Error)) throw error;
  const code = CODES.get(error.name);
  if (code !== undefined) return new CliError(error.message, code);
  return new CliError(`${otherwise}: ${error.message}`);
}
