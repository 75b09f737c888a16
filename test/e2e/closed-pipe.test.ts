/**
 * `holdfast start --help | head -1` ended with a stack trace of "write EPIPE", and with exit code 1:
 * nobody listened for the error of a stdout that had been closed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { CLI } from "./support/processes.ts";

test("who reads no more of what a command prints makes it no failure", async () => {
  const child = spawn(process.execPath, [CLI, "start", "--help"]);
  child.stdout.destroy();
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect({ code, said }).toEqual({ code: 0, said: "" });
});
