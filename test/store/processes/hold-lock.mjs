/** Takes the lock of a directory and keeps it until it is killed, or says why it could not. */
import { lockDirectory } from "../../../dist/runtime/store/directory-lock.js";

const [directory] = process.argv.slice(2);
try {
  await lockDirectory(directory);
  process.stdout.write("held\n");
  // The lock by itself keeps no process alive.
  setInterval(() => {}, 60_000);
} catch (error) {
  process.stdout.write(`${error.name}: ${error.message}\n`);
}
