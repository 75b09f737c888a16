/** Where things are. The bench runs compiled, from `bench/dist/`. */
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const ROOT: string = fileURLToPath(new URL("../../../", import.meta.url));
export const BENCH: string = fileURLToPath(new URL("../../", import.meta.url));
export const COMPILED: string = fileURLToPath(new URL("../", import.meta.url));
