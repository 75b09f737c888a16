/**
 * A replay of entries that are packed already: as they stand in the rows of a journal, whose form is that of
 * the wire (plain.ts). To take each entry apart and put it together again was most of what a replay cost the
 * runtime (docs/performance.md).
 *
 * 1. What leaves is byte by byte what the entries by themselves would give: test/protocol/packed-replay.test.ts.
 * 2. Whoever reads `entries` (a worker in the same process, a message that is larger than a frame) has them
 *    taken apart, each time.
 */
import type { ReplayEntry } from "./command.ts";
import { MESSAGE_TYPE } from "./encode-message.ts";
import type { Replay } from "./message.ts";
import type { Packer } from "./packer.ts";
import { REPLAY_ENTRY_CODE, replayEntryFromPlain } from "./plain.ts";
import { unpackValue } from "./unpack.ts";

/** One command or delivery. */
export interface PackedEntry {
  readonly kind: ReplayEntry["kind"];
  readonly bytes: Uint8Array;
  /** How many values they are, arrays and their items alike: see wire-limits.ts. */
  readonly values: number;
}

export class PackedReplay implements Replay {
  readonly kind = "replay";
  readonly attempt: number;
  readonly #entries: readonly PackedEntry[];

  constructor(attempt: number, entries: readonly PackedEntry[]) {
    this.attempt = attempt;
    this.#entries = entries;
  }

  get entries(): readonly ReplayEntry[] {
    return this.#entries.map(({ kind, bytes }) =>
      replayEntryFromPlain([REPLAY_ENTRY_CODE[kind], unpackValue(bytes)]),
    );
  }

  packInto(packer: Packer): void {
    packer.addArrayHead(3);
    packer.add(MESSAGE_TYPE.replay);
    packer.add(this.attempt);
    packer.addArrayHead(this.#entries.length);
    for (const { kind, bytes, values } of this.#entries) {
      packer.addArrayHead(2);
      packer.add(REPLAY_ENTRY_CODE[kind]);
      packer.addPacked(bytes, values);
    }
  }
}
