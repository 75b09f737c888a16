/** What stands in the row of a pause. */
import { packValue } from "../../protocol/pack.ts";
import { fields } from "./rows.ts";

/** A pause of a key or of a service. A key whose parked invocations are being let go is no longer paused. */
export interface PauseRow {
  readonly service: string;
  /** null for the whole service. */
  readonly key: string | null;
  readonly sinceMs: number;
  readonly resuming: boolean;
}

export function encodePause(it: PauseRow): Uint8Array {
  return packValue([it.service, it.key, it.sinceMs, it.resuming]);
}

export function decodePause(row: Uint8Array): PauseRow {
  const [service, key, sinceMs, resuming] = fields<[string, string | null, number, boolean]>(
    row,
    4,
  );
  return { service, key, sinceMs, resuming };
}
