import { existsSync } from "node:fs";
import { join } from "node:path";
import { verifyDirectory, type Problem } from "../../runtime/verify/directory.ts";

/** Every test that leaves a data directory behind ends with this. Nobody may have it open. */
export async function requireSound(dataDir: string): Promise<void> {
  if (!existsSync(join(dataDir, "partitions/0/data.mdb"))) return;
  const problems: Problem[] = [];
  await verifyDirectory(dataDir, (problem) => problems.push(problem));
  if (problems.length === 0) return;
  const lines = problems.slice(0, 20).map(({ row, problem }) => `${row}: ${problem}`);
  throw new Error(`${problems.length} problems in ${dataDir}:\n${lines.join("\n")}`);
}
