/** Rows of keys: locks and their inboxes, state and its size, state of workflows that are gone. */
import {
  inboxPrefix,
  invocationKey,
  lockKey,
  pausedKeyKey,
  readU48,
  SERVICES,
  stateBytesKey,
} from "../core/keys.ts";
import { decodeLock, decodeNumber, decodeService } from "../core/rows.ts";
import { LARGE_STATE_BYTES } from "../core/state-size.ts";
import { addressIn, readTexts } from "./addresses.ts";
import { expectIn, type Report } from "./findings.ts";
import { named, type Rows } from "./rows.ts";

export function checkKeyed(rows: Rows, report: Report): void {
  checkLocks(rows, report);
  checkInboxes(rows, report);
  checkState(rows, report);
  checkParked(rows, report);
}

function checkLocks(rows: Rows, report: Report): void {
  for (const [key, value] of rows.all("k")) {
    const lock = rows.read(key, () => decodeLock(value));
    if (lock === undefined) continue;
    const expect = expectIn(report, key);
    const holder = rows.invocation(lock.holder);
    if (holder === undefined) {
      expect(rows.has(invocationKey(lock.holder)), "a key is held by nobody");
    } else {
      expect(holder.status !== "completed", `a key is held by what has ended: ${named(holder)}`);
      const before = holder.createdAtMs <= lock.sinceMs;
      expect(before, `a key was taken before its holder was made: ${named(holder)}`);
    }
    const waiting = rows.count(`q${key.slice(1)}`);
    expect(waiting === lock.waiting, `a lock counts ${lock.waiting} waiting, ${waiting} are`);
  }
}

/** Only a key that is held has an inbox, and who stands in it knows his place. */
function checkInboxes(rows: Rows, report: Report): void {
  const prefixLength = (address: string): number => inboxPrefix("", "").length - 4 + address.length;
  for (const [key, value] of rows.all("q")) {
    const address = addressIn(key);
    const expect = expectIn(report, key);
    expect(
      rows.has(`${lockKey("", "").charAt(0)}${address}`),
      "an inbox of a key that nobody holds",
    );
    const owner = rows.invocation(rows.read(key, () => decodeNumber(value)) ?? -1);
    if (owner === undefined) continue;
    const place = readU48(key, prefixLength(address));
    const inPlace = owner.status === "inboxed" && owner.inboxOrder === place;
    expect(inPlace, `an inbox holds what does not wait there: ${named(owner)}`);
  }
}

function checkState(rows: Rows, report: Report): void {
  const workflows = workflowsOf(rows);
  let address = "";
  let bytes = 0;
  const settle = (): void => {
    if (address !== "") checkSize(rows, address, bytes, report);
  };
  for (const [key, value] of rows.all("s")) {
    const here = addressIn(key);
    if (here !== address) {
      settle();
      address = here;
      bytes = 0;
      const [service = ""] = readTexts(key, 1, 1).texts;
      const owned = !workflows.has(service) || rows.has(`W${here}`);
      expectIn(report, key)(owned, "state of a workflow that is not there");
    }
    bytes += key.length - 1 - here.length + value.length;
  }
  settle();
  for (const [key] of rows.all("b")) {
    const state = rows.count(`s${key.slice(1)}`);
    expectIn(report, key)(state > 0, "the size of a state that is not there");
  }
}

function checkSize(rows: Rows, address: string, bytes: number, report: Report): void {
  const key = `${stateBytesKey("", "").charAt(0)}${address}`;
  const kept = rows.read(key, decodeNumber);
  const wanted = bytes > LARGE_STATE_BYTES ? bytes : undefined;
  if (kept === undefined && rows.has(key)) return;
  const found = kept === undefined ? "no size" : `the size ${kept}`;
  expectIn(report, key)(kept === wanted, `a state of ${bytes} bytes has ${found} kept`);
}

function workflowsOf(rows: Rows): Set<string> {
  const names = new Set<string>();
  for (const [key, value] of rows.all(SERVICES)) {
    const service = rows.read(key, () => decodeService(value));
    if (service?.manifest.kind === "workflow") names.add(service.manifest.name);
  }
  return names;
}

function checkParked(rows: Rows, report: Report): void {
  for (const [key] of rows.all("x")) {
    const paused = rows.has(`${pausedKeyKey("", "").charAt(0)}${addressIn(key)}`);
    expectIn(report, key)(paused, "parked for a key that is not paused");
  }
}
