import { execFileSync } from "node:child_process";
import type { Found } from "./report.ts";

/** All that is needed to look at a failure, for people. */
export function describeFailure({ seed, message, stack, plan, trace }: Found): string {
  return [
    `seed ${seed}: ${message}`,
    `commit ${commit()}`,
    `repeat it with: npm run simulate -- --seed ${seed}`,
    `the faults that it takes: ${plan.map((it) => `${it.fault} at step ${it.step}`).join(", ") || "none"}`,
    `the last that happened:\n  ${trace.join("\n  ")}`,
    stack,
  ].join("\n");
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { stdio: "pipe" })
      .toString()
      .trim();
  } catch {
    return "unknown (no git here)";
  }
}
