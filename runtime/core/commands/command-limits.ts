/**
 * What a command may hold. An SDK checks the same before it issues one; this is the guard against a
 * worker that does not. A name that is too long would make a row that no store takes.
 */
import type { Command } from "../../../protocol/command.ts";
import { utf8 } from "../keys.ts";
import type { Limits } from "../limits.ts";

/** Says what is too large; undefined when nothing is. */
export function excessOf(limits: Limits, command: Command): string | undefined {
  switch (command.kind) {
    case "set-state":
      return (
        tooLong("the name of a state value", command.key, limits) ??
        tooLarge("a state value", command.value.length, limits.stateValueBytesMax)
      );
    case "get-state":
    case "clear-state":
      return tooLong("the name of a state value", command.key, limits);
    case "get-promise":
    case "peek-promise":
    case "complete-promise":
      return tooLong("the name of a promise", command.promise, limits);
    case "patched":
      return tooLong("the id of a patch", command.patch, limits);
    default:
      return undefined;
  }
}

function tooLong(what: string, name: string, limits: Limits): string | undefined {
  return tooLarge(what, utf8(name).length, limits.stateKeyBytesMax);
}

function tooLarge(what: string, sizeBytes: number, limitBytes: number): string | undefined {
  return sizeBytes > limitBytes
    ? `${what} has ${sizeBytes} bytes, the limit is ${limitBytes}`
    : undefined;
}
