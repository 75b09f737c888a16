import { TerminalError } from "../errors.ts";

/** The input could not be decoded: what the caller sees as 400. */
export class InputError extends TerminalError {
  constructor(message: string) {
    super(`Failed to deserialize input: ${message}`, { errorCode: 400 });
    this.name = "TerminalError";
  }
}
