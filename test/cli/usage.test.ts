import { afterEach, expect, test, vi } from "vitest";
import { runCli } from "./run-cli.ts";

afterEach(() => vi.unstubAllEnvs());

test("--help names the commands, with examples, and is no error", async () => {
  const { code, out } = await runCli("--help");
  expect(code).toBe(0);
  for (const command of ["start", "invoke", "invocations"]) expect(out).toContain(command);
  expect(out).toContain("$ holdfast start --data-dir ./data");
});

test("--version is the package's", async () => {
  expect(await runCli("--version")).toMatchObject({ code: 0, out: "0.1.0\n" });
});

test("start --help names every flag with its environment variable and the exit codes", async () => {
  const { out } = await runCli("start", "--help");
  for (const flag of [
    "data-dir",
    "host",
    "ingress-port",
    "admin-port",
    "worker-port",
    "log-level",
  ]) {
    expect(out).toContain(`--${flag} `);
    expect(out).toContain(`HOLDFAST_${flag.toUpperCase().replaceAll("-", "_")}`);
  }
  expect(out).toContain("3 the data directory is in use");
});

test.each([
  ["an unknown command", ["strat"], /unknown command 'strat'/],
  ["an unknown flag", ["start", "--data", "x"], /unknown option '--data'/],
  ["a port that is none", ["start", "--admin-port", "99999"], /--admin-port.*0 to 65535/],
  ["a level that is none", ["start", "--log-level", "loud"], /Allowed choices are trace, debug/],
  ["a limit that is none", ["start", "--limit", "body=1"], /one of these.*bodyBytesMax/],
  ["a missing argument", ["invocations", "describe"], /missing required argument 'id'/],
  ["data that is not JSON", ["invoke", "a", "b", "--data", "Ann"], /A string needs its quotes/i],
  ["a delay without --send", ["invoke", "a", "b", "--delay", "1s"], /--send/],
  ["a limit of nothing", ["invocations", "list", "--limit", "0"], /from 1 up/],
  ["a URL that is none", ["invocations", "list", "--admin-url", "here:1"], /--admin-url.*http:/],
])("%s exits with 2 and says what to do", async (_what, args, message) => {
  const { code, out, err } = await runCli(...args);
  expect(code).toBe(2);
  expect(err.replaceAll("\n", " ")).toMatch(message);
  expect(out).toBe("");
});

test("a bad value from the environment names its variable", async () => {
  vi.stubEnv("HOLDFAST_WORKER_PORT", "nine");
  const { code, err } = await runCli("start");
  expect(code).toBe(2);
  expect(err).toContain("HOLDFAST_WORKER_PORT");
});
