/**
 * What the ingress has to know of services: their names, for health, and the kind of one, for the
 * one form of path that means two things (`/Greeter/greet/send`, `/Chat/room/send`).
 */
import type { ServiceKind } from "../../protocol/manifest.ts";
import { readOr } from "../core/damage.ts";
import { prefixEnd, SERVICES, serviceKey, parseName } from "../core/keys.ts";
import { decodeService } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";

export interface ServiceDirectory {
  /** Sorted. Rejects when the epoch is not ours any more. */
  names(): Promise<readonly string[]>;
  /** `undefined` for a service that is not (durably) registered. A kind never changes. */
  kindOf(service: string): ServiceKind | undefined;
}

export interface DirectorySource extends ReadTx {
  confirm(): Promise<void>;
}

const SERVICES_MAX = 100_000;

/** Reads durable rows each time: both questions are rare. */
export function createServiceDirectory(source: DirectorySource): ServiceDirectory {
  return {
    names: async () => {
      await source.confirm();
      const range = { from: SERVICES, to: prefixEnd(SERVICES), limit: SERVICES_MAX };
      return source.range(range).map(([key]) => parseName(key, SERVICES.length));
    },
    kindOf: (service) => {
      const row = source.get(serviceKey(service));
      return row && readOr(() => decodeService(row).manifest.kind, undefined);
    },
  };
}
