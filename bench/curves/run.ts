import type { Machine } from "../harness/machine.ts";
import type { BenchOptions } from "../harness/options.ts";
export async function runCurves(_o: BenchOptions, _m: Machine, _out: string): Promise<void> {}
