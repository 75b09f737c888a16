/** What a shell script learns from an exit. Part of the contract: never renumber. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  directoryInUse: 3,
  unknownFormat: 4,
} as const;

/** Ends a command with a message for people, and nothing else: no stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  /** What `--json` prints instead of the message. */
  readonly body: unknown;

  constructor(message: string, exitCode: number = ExitCode.failed, body?: unknown) {
    super(message);
    this.exitCode = exitCode;
    this.body = body;
  }
}
