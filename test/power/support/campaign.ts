/** Recordings and their images, two at a time. */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { checkImages, type Checked } from "./check.ts";
import type { Package } from "./compile.ts";
import { record, StartRefused, type RecordOptions } from "./record.ts";

export interface CampaignOptions extends RecordOptions {
  readonly recordings: number;
  /** Of each recording. */
  readonly images: number;
  /** Where recordings go that show a violation. Without it nothing is kept. */
  readonly keepIn?: string;
}

export interface Campaign extends Checked {
  recordings: number;
}

/** One more core than one: while one recording waits for its disk, images of another are checked. */
const LANES = 2;

export async function runCampaign(built: Package, options: CampaignOptions): Promise<Campaign> {
  const sum: Campaign = {
    recordings: 0,
    images: 0,
    acknowledgements: 0,
    goes: 0,
    broken: 0,
    fatal: 0,
    violations: [],
  };
  const path = await temporaryDirectory();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < options.recordings) {
      const number = next++;
      const recording = join(path, `recording-${number}`);
      const seed = options.seed + number;
      const refused = await refusal(record(built, recording, { ...options, seed }));
      if (refused !== undefined) {
        sum.broken++;
        sum.violations.push(`seed ${seed}: ${refused}`);
        continue;
      }
      const checked = await checkImages(built, { recording, images: options.images });
      add(sum, checked);
      if (checked.violations.length > 0 && options.keepIn !== undefined) {
        await cp(recording, join(options.keepIn, `seed-${seed}`), { recursive: true });
      }
      await rm(recording, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return sum;
}

/** What a runtime said that did not start on what its predecessor had left. */
async function refusal(recorded: Promise<void>): Promise<string | undefined> {
  try {
    await recorded;
    return undefined;
  } catch (error) {
    if (error instanceof StartRefused) return error.message;
    throw error;
  }
}

function add(sum: Campaign, checked: Checked): void {
  sum.recordings++;
  sum.images += checked.images;
  sum.acknowledgements += checked.acknowledgements;
  sum.goes += checked.goes;
  sum.broken += checked.broken;
  sum.fatal += checked.fatal;
  sum.violations.push(...checked.violations);
}
