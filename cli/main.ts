#!/usr/bin/env node
import { run } from "./program.ts";

// `holdfast invocations list | head` closes the pipe when it has enough: no reason to fail, nor to end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
