import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLoggedStore } from "../../runtime/store/logged-store.ts";
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

storeContract("the store that ships, a commit log in front of rows on LMDB", async () => {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  const opened: Store[] = [];
  return {
    open: async () => {
      const store = openLoggedStore({ path: join(path, "0") });
      opened.push(store);
      return store;
    },
    dispose: async () => {
      for (const store of opened) await store.close();
      await rm(path, { recursive: true });
    },
  };
});
