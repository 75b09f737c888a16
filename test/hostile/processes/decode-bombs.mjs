/**
 * Decodes frames of a mebibyte that claim as much as they can, and pieces without end. Says how many
 * there were, and by how much the largest size of the process grew after the first ten of each.
 */
import { workerMessageDecoder } from "../../../dist/protocol/codec.js";
import { ProtocolError } from "../../../dist/protocol/fields.js";
import { packValue } from "../../../dist/protocol/pack.js";

const MIB = 1024 * 1024;
const LIMITS = { frameBytesMax: MIB, messageBytesMax: 2 * MIB };
const seed = Number(process.argv[2]);

const filled = (head, byte) => Buffer.concat([Buffer.from(head), Buffer.alloc(MIB - 64, byte)]);
const BOMBS = [
  filled([0xdd, 0xff, 0xff, 0xff, 0xff], 0x90),
  filled([0xdd, 0x00, 0x0f, 0x00, 0x00], 0x90),
  filled([0x92, 0x00, 0xdd, 0x7f, 0xff, 0xff, 0xff], 0xdd),
  filled([0x91], 0x91),
  filled([0x92, 0x00, 0xdb, 0xff, 0xff, 0xff, 0xff], 0x61),
  filled([0x93, 0x00, 0xc3, 0xc6, 0xff, 0xff, 0xff, 0xff], seed & 255),
  filled([0xdf, 0xff, 0xff, 0xff, 0xff], 0xa0),
  filled([0x92, 0x00, 0xc7, 0xff, 0x72], 0x40),
  Buffer.from(packValue(Array(60_000).fill(new Uint8Array(0)))),
];
const PIECE = packValue([0, false, new Uint8Array(1024)]);

let frames = 0;
function refuse(decoder, frame) {
  frames++;
  try {
    decoder.decode(frame);
    return false;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return true;
  }
}

const decoder = workerMessageDecoder(LIMITS);

function round() {
  for (const bomb of BOMBS)
    if (!refuse(workerMessageDecoder(LIMITS), bomb)) throw new Error("taken");
  // A peer that goes on after it was refused: the decoder must not gather what it says.
  for (let i = 0; i < 5_000; i++) refuse(decoder, Uint8Array.from(PIECE));
}

// By then the collector has the room that it works in: after three it took 30 to 75 MB more, and kept to it.
for (let i = 0; i < 10; i++) round();
const before = process.resourceUsage().maxRSS * 1024;
for (let i = 0; i < 30; i++) round();
const after = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ frames, grownBytes: after - before })}\n`);
