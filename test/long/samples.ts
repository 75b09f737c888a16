/** What must level off in a long run: the size of the data file, memory, the lag of LMDB's readers. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";

export interface Sample {
  readonly atSeconds: number;
  readonly fileMb: number;
  readonly freePages: number;
  readonly runtimeMb: number;
  readonly workerMb: number;
  /** Commits since the oldest one that a reader still holds. */
  readonly readerLag: number;
}

export interface Sampled {
  readonly dataDir: string;
  readonly runtimePid: number;
  readonly workerPid: number;
  readonly atSeconds: number;
}

const MB = 1024 * 1024;

export async function sample(it: Sampled): Promise<Sample> {
  const partition = join(it.dataDir, "partitions/0");
  const { size } = await stat(join(partition, "data.mdb"));
  return {
    atSeconds: it.atSeconds,
    fileMb: round(size / MB),
    runtimeMb: await residentMb(it.runtimePid),
    workerMb: await residentMb(it.workerPid),
    ...(await readers(partition, it.runtimePid)),
  };
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}

interface Stats {
  readonly lastTxnId: number;
  readonly free: { readonly entryCount: number };
}

async function readers(
  path: string,
  pid: number,
): Promise<{ readonly readerLag: number; readonly freePages: number }> {
  const binary = { encoding: "binary", keyEncoding: "binary" } as const;
  const env = open({ path, readOnly: true, noSubdir: false, maxDbs: 16, ...binary });
  try {
    const { lastTxnId, free } = env.getStats() as Stats; // lmdb does not type them
    const held = [...String(env.readerList()).matchAll(/^\s*(\d+) \S+ (\d+)\s*$/gm)]
      .filter(([, of]) => Number(of) === pid)
      .map(([, , transaction]) => Number(transaction));
    return { readerLag: lastTxnId - Math.min(lastTxnId, ...held), freePages: free.entryCount };
  } finally {
    await env.close();
  }
}

/** The medians of the first, the second and the last third. */
export function thirds(values: readonly number[]): readonly [number, number, number] {
  const third = Math.floor(values.length / 3);
  return [
    median(values.slice(0, third)),
    median(values.slice(third, 2 * third)),
    median(values.slice(2 * third)),
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
