/**
 * Waits until nothing more happens by itself. The SDK's turns and the loop's are `setImmediate`s, as
 * in production, so the simulator counts those that are pending instead of pumping a fixed number.
 */
const original = globalThis.setImmediate;
let pending = 0;

/** Counts every `setImmediate` of the process from now on. */
export function countImmediates(): void {
  if (globalThis.setImmediate !== original) return;
  const counted = (
    callback: (...args: unknown[]) => void,
    ...args: unknown[]
  ): NodeJS.Immediate => {
    pending++;
    return original(() => {
      pending--;
      callback(...args);
    });
  };
  globalThis.setImmediate = Object.assign(counted, {
    __promisify__: original.__promisify__,
  }) as typeof setImmediate; // the same signature, counted
}

export function stopCountingImmediates(): void {
  globalThis.setImmediate = original;
  pending = 0;
}

export async function quiet(): Promise<void> {
  do {
    await new Promise<void>((resolve) => original(resolve));
  } while (pending > 0);
}
