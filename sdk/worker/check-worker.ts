import { VERSION_LENGTH_MAX } from "../../protocol/wire-limits.ts";

/**
 * What a worker says of itself, refused where it is given. A runtime in the same process is told by objects
 * that nobody else checks: with a concurrency of 0, or none that is a number, nothing would ever start.
 *
 * @throws TypeError for an empty version, RangeError when `concurrency` is no whole number from 1
 */
export function checkWorker(
  where: string,
  { version, concurrency }: { readonly version: string; readonly concurrency: number },
): void {
  if (typeof version !== "string" || version === "" || version.length > VERSION_LENGTH_MAX) {
    throw new TypeError(
      `${where}: the version of the code (HOLDFAST_VERSION) has 1 to ${VERSION_LENGTH_MAX} characters, got ${JSON.stringify(version)}`,
    );
  }
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`${where}: concurrency is a whole number from 1, got ${concurrency}`);
  }
}
