import type { Input } from "../../runtime/core/input.ts";
import { DEFAULT_HUB_LIMITS, type HubLimits } from "../../runtime/hub/hub-limits.ts";
import { createHub, type Hub } from "../../runtime/hub/hub.ts";
import type { Log } from "../../runtime/log.ts";
import type { Channel, ChannelHandlers } from "../../protocol/channel.ts";
import type {
  Hello,
  Issue,
  RuntimeMessage,
  Welcome,
  WorkerMessage,
} from "../../protocol/message.ts";

const nothing = (): void => undefined;
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
};

export const hello: Hello = {
  kind: "hello",
  protocol: 1,
  version: "v1",
  concurrency: 10,
  sdk: "test",
  manifest: { services: [] },
};

export const welcome: Welcome = {
  kind: "welcome",
  protocol: 1,
  epoch: 1,
  connection: 1,
  inactivityTimeoutMs: 60_000,
  frameBytesMax: 1024 * 1024,
  payloadBytesMax: 10 * 1024 * 1024,
};

/** A small message of an attempt. */
export function issue(index: number): Issue {
  const command = {
    kind: "date-here",
    index,
    after: 0,
    outside: false,
    name: "",
    timeMs: 1,
  } as const;
  return { kind: "command", attempt: 1, command };
}

export function go(command: number): RuntimeMessage {
  return { kind: "go", attempt: 1, command, try: 1 };
}

/** A hub whose inputs are kept, and can be waited for. */
export class HubWorld {
  readonly hub: Hub;
  readonly inputs: Input[] = [];
  #waiting: { readonly test: (input: Input) => boolean; readonly resolve: () => void }[] = [];

  constructor(limits: Partial<HubLimits> = {}) {
    this.hub = createHub({
      submit: (input) => this.#take(input),
      limits: { ...DEFAULT_HUB_LIMITS, ...limits },
      log: silentLog,
    });
  }

  kinds(): string[] {
    return this.inputs.map((input) => input.kind);
  }

  /** Resolves when such an input has come. */
  async saw(test: (input: Input) => boolean): Promise<void> {
    if (this.inputs.some(test)) return;
    await new Promise<void>((resolve) => this.#waiting.push({ test, resolve }));
  }

  #take(input: Input): void {
    this.inputs.push(input);
    for (const { test, resolve } of this.#waiting) if (test(input)) resolve();
  }
}

/** A connection without a wire: what the hub sends is kept, frame by frame. */
export class FakeChannel implements Channel<RuntimeMessage> {
  readonly frames: RuntimeMessage[][] = [];
  readonly closes: (readonly [code: number, reason: string])[] = [];
  buffered = 0;
  handlers: ChannelHandlers<WorkerMessage> | undefined;
  #open: RuntimeMessage[] = [];

  send(message: RuntimeMessage): void {
    if (this.#open.length === 0) {
      setImmediate(() => {
        this.frames.push(this.#open);
        this.#open = [];
      });
    }
    this.#open.push(message);
  }

  bufferedBytes(): number {
    return this.buffered;
  }

  close(code: number, reason: string): void {
    this.closes.push([code, reason]);
  }

  say(...messages: WorkerMessage[]): void {
    for (const message of messages) this.handlers?.onMessage(message);
  }
}

export function connect(world: HubWorld): FakeChannel {
  const channel = new FakeChannel();
  channel.handlers = world.hub.accept(channel);
  return channel;
}

/** Everything that was started for this turn of the event loop, and the next, has happened. */
export async function turns(count = 2): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
