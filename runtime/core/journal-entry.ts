/** How a journal entry becomes a row: twice at every step, so without arrays in between (protocol/pack-messages.ts). */
import { packCommand, packDelivery } from "../../protocol/pack-messages.ts";
import { Packer } from "../../protocol/packer.ts";
import type { JournalEntry } from "./rows.ts";

/** Nothing in it outlives a call. */
const packer = new Packer();

export function encodeJournalEntry(it: JournalEntry): Uint8Array {
  packer.reset();
  if (it.kind === "command") {
    packer.addArrayHead(4);
    packer.add(0);
    packCommand(packer, it.command);
    packer.add(it.atMs);
    packer.add(it.child);
  } else {
    packer.addArrayHead(3);
    packer.add(1);
    packDelivery(packer, it.delivery);
    packer.add(it.atMs);
  }
  return packer.copy(0, packer.length);
}
