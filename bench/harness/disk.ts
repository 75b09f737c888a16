/** What a data directory takes. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { open } from "lmdb";
import type { PeerName } from "../peers/peer.ts";

const BLOCK_BYTES = 512;

/** Blocks that are taken, not lengths of files: those may have holes. */
export function bytesOnDisk(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.blocks * BLOCK_BYTES;
  return readdirSync(path).reduce((total, name) => total + bytesOnDisk(join(path, name)), 0);
}

/**
 * The same after compaction: of LMDB a copy without free pages. Restate compacts by itself; what lies
 * there is what there is.
 */
export async function compactedBytes(peer: PeerName, dataDir: string): Promise<number> {
  const file = peer === "holdfast" ? lmdbFile(dataDir) : undefined;
  if (file === undefined) return bytesOnDisk(dataDir);
  const copy = mkdtempSync(join(tmpdir(), "holdfast-bench-copy-"));
  const store = open({ path: dirname(file), readOnly: true, noSubdir: false });
  try {
    await store.backup(copy, true);
    return bytesOnDisk(copy);
  } finally {
    await store.close();
    rmSync(copy, { recursive: true });
  }
}

function lmdbFile(directory: string): string | undefined {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      const found = lmdbFile(path);
      if (found !== undefined) return found;
    } else if (entry.name.endsWith(".mdb") && !entry.name.endsWith("lock.mdb")) return path;
  }
  return undefined;
}
