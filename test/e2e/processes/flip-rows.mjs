// Behind the back of a store that nobody has open: one flipped bit in each of these rows.
//   node flip-rows.mjs <directory of the partition> <key in hexadecimal>...
import { open } from "lmdb";

const [path, ...keys] = process.argv.slice(2);
const binary = { encoding: "binary", keyEncoding: "binary" };
const env = open({ path, ...binary, noSubdir: false, maxDbs: 16 });
const rows = env.openDB("rows", binary);
for (const hex of keys) {
  const key = Buffer.from(hex, "hex");
  const stored = Buffer.from(rows.getBinary(key));
  stored[stored.length - 1] ^= 4;
  await rows.put(key, stored);
}
await env.close();
