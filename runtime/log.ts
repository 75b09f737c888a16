/**
 * What the runtime tells its operator, on stderr: JSON lines, or readable ones at a terminal. No
 * payloads, no header values: only names, numbers and ids.
 */
import { destination, levels, pino, type Logger } from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";
export const LOG_LEVELS: readonly LogLevel[] = [
  "trace",
  "debug",
  "info",
  "warn",
  "error",
  "silent",
];

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

const STDERR = 2;

export function createLog(level: LogLevel): Log {
  // Synchronous: the last line before a SIGKILL of our own must be out.
  const stderr = destination({ fd: STDERR, sync: true });
  const options = { level, base: { pid: process.pid } };
  if (!process.stderr.isTTY) return pino(options, stderr);
  return pino(options, { write: (line: string) => stderr.write(readable(line)) });
}

/** One line for people: time, level, sentence, facts. */
function readable(json: string): string {
  const { time, level, msg, pid, ...facts } = JSON.parse(json) as Record<string, unknown>; // pino wrote it
  void pid;
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  const name = levels.labels[Number(level)] ?? "";
  const rest = Object.entries(facts).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${at} ${name.padEnd(5)} ${String(msg)}${rest.join("")}\n`;
}
