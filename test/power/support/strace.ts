/** strace, as these tests use it. */
import { spawnSync } from "node:child_process";

/** Why tests with strace cannot run here; undefined when they can. */
export function straceMissing(): string | undefined {
  if (process.platform !== "linux") return "strace records system calls on Linux only";
  // A small run of the real thing: it may be there and not be permitted.
  const { status, error } = spawnSync("strace", ["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]);
  if (error) return "strace is not installed";
  return status === 0 ? undefined : "strace may not trace processes here";
}

/** Every call by which bytes or names reach the disk or a socket; strings whole, paths of descriptors. */
export const RECORD_FLAGS: readonly string[] = [
  ...["-f", "--seccomp-bpf", "-qq", "-y", "-x", "-s", "1000000", "-e", "signal=none"],
  "-e",
  "trace=openat,mkdir,rename,unlink,unlinkat,pwrite64,writev,pwritev,pwritev2,lseek,fdatasync,fsync,msync,ftruncate,write,sendto,sendmsg",
];
