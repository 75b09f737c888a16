import type { CompletionResult } from "../../protocol/command.ts";
import { TerminalError } from "../errors.ts";
import type { Serde } from "../serde.ts";
import { decode } from "../serde/encode.ts";
import type { Read } from "./asked.ts";

/** Reads a payload; no payload at all is an empty one. */
export function readValue<T>(serde: Serde<T>): Read<T> {
  return (result) => {
    if (result.kind === "value") return decode(serde, result.value);
    if (result.kind === "void") return serde.deserialize(new Uint8Array(0));
    throw unexpected(result);
  };
}

/** A serde of unknown values serves any type that the user names: the bytes are what they are. */
export function typed<T>(serde: Serde<unknown>): Serde<T> {
  return serde as Serde<T>;
}

export function unexpected(result: CompletionResult): TerminalError {
  return new TerminalError(`a completion of the unexpected kind ${result.kind}`);
}

export function asTerminal(reason: string | TerminalError): TerminalError {
  return typeof reason === "string" ? new TerminalError(reason) : reason;
}
