/**
 * Reads what strace wrote: system calls, each with the line on which it began and the line on which
 * it ended. Lines are the clock: what stands on an earlier line had happened before, because strace
 * lets a thread go on only after it has written down where it stopped.
 */

export interface Call {
  readonly name: string;
  readonly argumentsText: string;
  readonly startLine: number;
  /** Undefined: the process died in the middle of it. */
  readonly endLine: number | undefined;
  /** Negative for an error; undefined while `endLine` is. */
  readonly result: number | undefined;
  /** strace made it fail. */
  readonly injected: boolean;
}

const WHOLE = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<[^>]*>)?(?: .*)?$/s;
const BEGUN = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/s;
const ENDED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)(?:<[^>]*>)?(?: .*)?$/s;

/** @param firstLine number of the first line: traces of one directory are read as one */
export function parseTrace(text: string, firstLine: number): { calls: Call[]; nextLine: number } {
  const calls: Call[] = [];
  const begun = new Map<string, Pick<Call, "name" | "argumentsText" | "startLine">>();
  let line = firstLine;
  for (const entry of text.split("\n")) {
    line++;
    const whole = WHOLE.exec(entry);
    if (whole) {
      const [, , name = "", argumentsText = "", result = ""] = whole;
      const ended = endOf(result, line, entry);
      calls.push({ name, argumentsText, startLine: line, ...ended });
      continue;
    }
    const start = BEGUN.exec(entry);
    if (start) {
      const [, thread = "", name = "", argumentsText = ""] = start;
      begun.set(thread, { name, argumentsText, startLine: line });
      continue;
    }
    const end = ENDED.exec(entry);
    const open = end && begun.get(end[1] ?? "");
    if (!end || !open) continue;
    begun.delete(end[1] ?? "");
    const argumentsText = open.argumentsText + (end[3] ?? "");
    calls.push({ ...open, argumentsText, ...endOf(end[4] ?? "", line, entry) });
  }
  for (const open of begun.values()) {
    calls.push({ ...open, endLine: undefined, result: undefined, injected: false });
  }
  calls.sort((a, b) => a.startLine - b.startLine);
  return { calls, nextLine: line };
}

/** "?" is what strace prints for a call that its process did not survive. */
function endOf(
  result: string,
  line: number,
  entry: string,
): Pick<Call, "endLine" | "result" | "injected"> {
  if (result === "?") return { endLine: undefined, result: undefined, injected: false };
  return { endLine: line, result: Number(result), injected: entry.includes(" (INJECTED)") };
}

/** The descriptor a call is about, and its path: `21</data/data.mdb>, ...`. */
export function descriptorOf(call: Call): { readonly fd: number; readonly path: string } {
  const found = /^(\d+)<([^>]*)>/.exec(call.argumentsText);
  return { fd: Number(found?.[1] ?? -1), path: found?.[2] ?? "" };
}

/** All strings among the arguments, as bytes, one after the other: of `write`, `pwrite64`, `writev`. */
export function bytesOf(call: Call): Buffer {
  const parts: Buffer[] = [];
  const text = call.argumentsText;
  let at = text.indexOf('"');
  while (at >= 0) {
    let end = at + 1;
    while (text[end] !== '"') {
      if (end >= text.length) throw new Error("a string in the trace has no end");
      end += text[end] === "\\" ? 2 : 1;
    }
    if (text.startsWith("...", end + 1)) throw new Error("a string in the trace was cut off");
    parts.push(unescape(text.slice(at + 1, end)));
    at = text.indexOf('"', end + 1);
  }
  return Buffer.concat(parts);
}

/** The number after the last string: the offset of a `pwrite64`. */
export function lastNumber(call: Call): number {
  return Number(/(-?\d+)$/.exec(call.argumentsText)?.[1]);
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  f: "\f",
  '"': '"',
  "\\": "\\",
};

/** strace writes a string with one unprintable byte all in hex, and others as C does. */
function unescape(text: string): Buffer {
  if (text.startsWith("\\x")) return Buffer.from(text.replaceAll("\\x", ""), "hex");
  const plain = text.replace(/\\([nrtvf"\\]|[0-7]{1,3})/g, (_, escape: string) => {
    return ESCAPES[escape] ?? String.fromCharCode(Number.parseInt(escape, 8));
  });
  return Buffer.from(plain, "latin1");
}
