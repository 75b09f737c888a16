/** Every limit of the runtime, with its default. Sizes in bytes, times in milliseconds. */
export interface Limits {
  /** An HTTP request body. */
  readonly bodyBytesMax: number;
  /** One payload: parameter, result, run result. */
  readonly payloadBytesMax: number;
  /** One state value. */
  readonly stateValueBytesMax: number;
  /** State that travels with a start; beyond it a handler fetches each value when it asks. */
  readonly eagerStateBytesMax: number;
  /** All state of a key: names and values. */
  readonly stateBytesMax: number;
  /** Journal entries of one invocation, those of what is outstanding counted ahead. */
  readonly journalEntriesMax: number;
  /** Bytes of one invocation's journal as it is kept. */
  readonly journalBytesMax: number;
  /** Signals that an invocation was sent and has not awaited. */
  readonly signalsMax: number;
  /** Invocations that wait for one key. */
  readonly inboxLengthMax: number;
  /** Invocations that were accepted and have not ended, all together. */
  readonly pendingMax: number;
  /** Free space on the disk below which nothing new is accepted from outside; 0: it is not watched. */
  readonly diskFreeBytesMin: number;
  readonly serviceNameBytesMax: number;
  readonly handlerNameBytesMax: number;
  readonly keyBytesMax: number;
  /** The name of a state value or of a promise. */
  readonly stateKeyBytesMax: number;
  readonly idempotencyKeyBytesMax: number;
  /** All headers that an invocation keeps. */
  readonly headerBytesMax: number;
  /** A WebSocket message; larger protocol messages travel in chunks. */
  readonly frameBytesMax: number;
  /** A delayed send or a sleep. */
  readonly delayMsMax: number;
  /** Idle time after which an attempt that only waits is suspended. */
  readonly inactivityTimeoutMs: number;
  /** Silence after which a worker's connection counts as dead. */
  readonly workerTimeoutMs: number;
  /** How long results of calls with an idempotency key are kept, and their journals at most. */
  readonly idempotencyRetentionMs: number;
  /** How long state, promises and result of a workflow that ended are kept. */
  readonly workflowRetentionMs: number;
  /** How long journals are kept, and without an idempotency key or workflow key results too. */
  readonly journalRetentionMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  bodyBytesMax: 10 * MIB,
  payloadBytesMax: 10 * MIB,
  stateValueBytesMax: 10 * MIB,
  eagerStateBytesMax: 64 * 1024,
  stateBytesMax: 256 * MIB,
  journalEntriesMax: 250_000,
  journalBytesMax: 256 * MIB,
  signalsMax: 10_000,
  inboxLengthMax: 1_000_000,
  pendingMax: 10_000_000,
  diskFreeBytesMin: 256 * MIB,
  serviceNameBytesMax: 128,
  handlerNameBytesMax: 128,
  keyBytesMax: 512,
  stateKeyBytesMax: 512,
  idempotencyKeyBytesMax: 256,
  headerBytesMax: 16 * 1024,
  frameBytesMax: MIB,
  delayMsMax: 100 * 366 * DAY_MS,
  inactivityTimeoutMs: 60_000,
  workerTimeoutMs: 45_000,
  idempotencyRetentionMs: DAY_MS,
  workflowRetentionMs: DAY_MS,
  journalRetentionMs: DAY_MS,
};
