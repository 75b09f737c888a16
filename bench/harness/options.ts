/** The command line of the bench. */
import { parseArgs } from "node:util";
import { CURVE_NAMES } from "../curves/names.ts";

export const HELP = `
npm run bench -- [options]

  --peer restate     measure Restate too, round by round beside Holdfast (installs it at first)
  --only 1,3,7       these workloads of the table in bench/README.md; default: all
  --rounds N         rounds; the table shows medians. Default 3, with --quick 1
  --quick            short loads and small sizes: shows that it works, not how fast it is
  --curves [names]   instead: cost as things grow; ${CURVE_NAMES.join(",")} (default: all)
  --out DIR          where the JSON goes. Default bench/results
  --profile DIR      writes CPU profiles of Holdfast's processes there
  --help
`;

export interface BenchOptions {
  readonly help: boolean;
  readonly withRestate: boolean;
  readonly only: readonly number[] | undefined;
  readonly rounds: number;
  readonly quick: boolean;
  readonly curves: boolean;
  readonly curveNames: readonly string[];
  readonly out: string | undefined;
  readonly profileDir: string | undefined;
}

/** @throws Error that says what is wrong */
export function optionsOf(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      peer: { type: "string" },
      only: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      curves: { type: "boolean", default: false },
      out: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.peer !== undefined && values.peer !== "restate") {
    throw new Error(`--peer knows restate, not ${values.peer}`);
  }
  const names = positionals.flatMap((it) => it.split(","));
  const unknown = names.find((it) => !CURVE_NAMES.some((name) => name === it));
  if (unknown !== undefined || (names.length > 0 && !values.curves)) {
    throw new Error(`what is ${unknown ?? names.join(" ")}? See --help`);
  }
  return {
    help: values.help,
    withRestate: values.peer === "restate",
    only: values.only?.split(",").map((it) => wholeNumber("--only", it)),
    rounds: wholeNumber("--rounds", values.rounds ?? (values.quick ? "1" : "3")),
    quick: values.quick,
    curves: values.curves,
    curveNames: names.length > 0 ? names : CURVE_NAMES,
    out: values.out,
    profileDir: values.profile,
  };
}

function wholeNumber(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`${option} takes whole numbers from 1, not '${text}'`);
}
