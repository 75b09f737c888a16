import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbStore } from "../../runtime/store/lmdb.ts";
import { MemoryDisk, MemoryStore } from "../../runtime/store/memory.ts";
import type { Store } from "../../runtime/store/store.ts";
import { storeContract } from "./store.contract.ts";

storeContract("the store in memory", async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => MemoryStore.open({ disk }),
    dispose: async () => undefined,
  };
});

storeContract("the store on LMDB", async () => {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  const opened: Store[] = [];
  return {
    open: async () => {
      const store = openLmdbStore({ path: join(path, "0") });
      opened.push(store);
      return store;
    },
    dispose: async () => {
      for (const store of opened) await store.close();
      await rm(path, { recursive: true });
    },
  };
});
