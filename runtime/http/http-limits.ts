/**
 * Limits of the HTTP listeners. What a request may mean is limited in `core/limits.ts`; this is what
 * a connection may do. Times in milliseconds, sizes in bytes.
 */
export interface HttpLimits {
  /** Request line and headers together; beyond it 431. */
  readonly headBytesMax: number;
  readonly headersMax: number;
  /** From the start of a request to the end of its headers; beyond it 408. */
  readonly headersTimeoutMs: number;
  /**
   * From the start of a request to the end of its body; beyond it 408. It says nothing about the
   * answer: a call may wait for days.
   */
  readonly requestTimeoutMs: number;
  /** How often these times are looked at. */
  readonly checkIntervalMs: number;
  /** An idle connection is closed after this. */
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** Requests that are being served or waiting; beyond it 429. */
  readonly requestsMax: number;
  /** Bodies that are being received, all together; beyond it those above 16 KiB get a 429. */
  readonly receivingBytesMax: number;
  /** How long a body that is too large is read and thrown away, so that its client sees the 413. */
  readonly lingerMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  headBytesMax: 16 * 1024,
  headersMax: 64,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  checkIntervalMs: 5_000,
  keepAliveMs: 5_000,
  // A call that waits holds its connection, and a thousand callers of one key are nothing unusual.
  connectionsMax: 10_000,
  requestsMax: 10_000,
  receivingBytesMax: 256 * 1024 * 1024,
  lingerMs: 5_000,
};
