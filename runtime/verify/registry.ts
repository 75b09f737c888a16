/** Deployments, services, and the counts that a restart takes over unseen. */
import {
  CLOCK_HIGH_WATER,
  DEPLOYMENTS,
  deploymentKey,
  INVOCATIONS,
  NEXT_SEQUENCE,
  OPEN_COUNT,
  PINNED_COUNTS,
  parseName,
  pinnedCountKey,
  readU48,
  SERVICES,
} from "../core/keys.ts";
import { decodeDeployment, decodeNumber, decodeService } from "../core/rows.ts";
import { expectIn, type Report } from "./findings.ts";
import { named, type Rows } from "./rows.ts";

export function checkRegistry(rows: Rows, report: Report): void {
  checkServices(rows, report);
  checkCounts(rows, report);
}

function checkServices(rows: Rows, report: Report): void {
  for (const [key, value] of rows.all(SERVICES)) {
    const service = rows.read(key, () => decodeService(value));
    if (service === undefined) continue;
    const there = rows.has(deploymentKey(service.version));
    expectIn(report, key)(there, `a service of deployment ${service.version}, which is not there`);
  }
  for (const [key, value] of rows.all(DEPLOYMENTS)) {
    const deployment = rows.read(key, () => decodeDeployment(value));
    const version = parseName(key, DEPLOYMENTS.length);
    const own = deployment === undefined || deployment.version === version;
    expectIn(report, key)(own, `deployment ${version} says that it is another`);
  }
}

function checkCounts(rows: Rows, report: Report): void {
  let open = 0;
  let sequenceMax = 0;
  const pinned = new Map<string, number>();
  const clockMs = rows.read(CLOCK_HIGH_WATER, decodeNumber) ?? Infinity;
  for (const [key] of rows.all(INVOCATIONS)) {
    sequenceMax = readU48(key, 1);
    const it = rows.invocation(sequenceMax);
    if (it === undefined) return; // whether it is open cannot be told
    const known = it.createdAtMs <= clockMs && it.statusSinceMs <= clockMs;
    if (!known) report({ row: key, problem: `${named(it)} is later than the clock of the store` });
    if (it.status === "completed") continue;
    open++;
    if (it.deployment === null) continue;
    pinned.set(it.deployment, (pinned.get(it.deployment) ?? 0) + 1);
    if (rows.has(deploymentKey(it.deployment))) continue;
    report({ row: key, problem: `${named(it)} is pinned to a deployment that is not there` });
  }
  checkOpen(rows, open, sequenceMax, report);
  checkPinned(rows, pinned, report);
}

function checkOpen(rows: Rows, open: number, sequenceMax: number, report: Report): void {
  const counted = rows.read(OPEN_COUNT, decodeNumber) ?? 0;
  expectIn(report, OPEN_COUNT)(
    counted === open,
    `${open} invocations are open, ${counted} counted`,
  );
  const bound = rows.read(NEXT_SEQUENCE, decodeNumber) ?? 1;
  const fits = sequenceMax < bound || sequenceMax === 0;
  expectIn(report, NEXT_SEQUENCE)(fits, `sequence ${sequenceMax} is taken, the bound is ${bound}`);
}

function checkPinned(rows: Rows, pinned: ReadonlyMap<string, number>, report: Report): void {
  const versions = new Set(pinned.keys());
  for (const [key] of rows.all(PINNED_COUNTS)) versions.add(parseName(key, PINNED_COUNTS.length));
  for (const version of versions) {
    const key = pinnedCountKey(version);
    const [there, counted] = [pinned.get(version) ?? 0, rows.read(key, decodeNumber) ?? 0];
    const problem = `${there} invocations are pinned to ${version}, ${counted} counted`;
    expectIn(report, key)(there === counted, problem);
  }
}
