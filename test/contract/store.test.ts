import { MemoryDisk, MemoryStore } from "../../runtime/store/memory.ts";
import { storeContract } from "./store.contract.ts";

storeContract("the store in memory", async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => MemoryStore.open({ disk }),
    dispose: async () => undefined,
  };
});
