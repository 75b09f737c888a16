/**
 * Commits batch after batch until it is killed. Batch n writes `last`, `k<n>`, a large value and a
 * thousand rows `m<i>`, and removes `k<n - 10>`. Two commits are under way at any time. Says n once batch n is durable.
 */
import { batchDigest, encodeBatch } from "../../../dist/runtime/store/batch.js";
import { openDirectory } from "../../../dist/runtime/store/directory.js";

const [dataDir] = process.argv.slice(2);
const { store } = await openDirectory(dataDir);
const { epoch } = store;
let number = store.batchNumber;
let previous = store.batchDigest;

function commitNext() {
  const n = ++number;
  const writes = [
    ["large", new Uint8Array((n % 4) * 200_000).fill(n)],
    ["last", Buffer.from(`${n}`)],
    [`k${n}`, Buffer.from(`value ${n}`)],
  ];
  for (let i = 0; i < 1_000; i++) writes.push([`m${i}`, Buffer.from(`${n}`)]);
  if (n > 10) writes.push([`k${n - 10}`, undefined]);
  writes.sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = encodeBatch({ partition: 0, epoch, number: n, previous }, writes);
  previous = batchDigest(bytes);
  return store.commit(bytes).then(() => process.stdout.write(`${n}\n`));
}

const keepCommitting = async () => {
  for (;;) await commitNext();
};
await Promise.all([keepCommitting(), keepCommitting()]);
