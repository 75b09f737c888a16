/** A worker's end of a connection with nothing between a test and the socket. */
import { once } from "node:events";
import { WebSocket, type RawData } from "ws";
import { encodeFrames, runtimeMessageDecoder } from "../../protocol/codec.ts";
import type { Plain } from "../../protocol/fields.ts";
import type { Hello, RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { packValue } from "../../protocol/pack.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";

const MIB = 1024 * 1024;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export function helloOf(
  services: readonly ServiceManifest[],
  more: Partial<Omit<Hello, "kind" | "manifest">> = {},
): Hello {
  const base = { kind: "hello", protocol: 1, version: "hostile", concurrency: 10, sdk: "bare", followersMax: 0 } as const; // prettier-ignore
  return { ...base, manifest: { services }, ...more };
}

export class BarePeer {
  readonly socket: WebSocket;
  readonly heard: RuntimeMessage[] = [];
  /** Resolves when the connection is over, however it ended. */
  readonly closed: Promise<Closed>;
  over = false;
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(socket: WebSocket, onMessage: (message: RuntimeMessage) => void) {
    this.socket = socket;
    const decoder = runtimeMessageDecoder({ frameBytesMax: 16 * MIB, messageBytesMax: 64 * MIB });
    socket.on("message", (data: RawData) => {
      for (const message of decoder.decode(data as Buffer).messages) {
        this.heard.push(message);
        onMessage(message);
      }
      this.#look();
    });
    // A reset is one way to be closed.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        this.over = true;
        this.#look();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  static async dial(
    url: string,
    onMessage: (message: RuntimeMessage) => void = () => undefined,
  ): Promise<BarePeer> {
    const socket = new WebSocket(url, "holdfast.v1", { perMessageDeflate: false });
    const peer = new BarePeer(socket, onMessage);
    await once(socket, "open");
    return peer;
  }

  /** Dials and registers. */
  static async register(
    url: string,
    services: readonly ServiceManifest[],
    more: Partial<Omit<Hello, "kind" | "manifest">> = {},
  ): Promise<BarePeer> {
    const peer = await BarePeer.dial(url);
    peer.say(helloOf(services, more));
    await peer.hears("welcome");
    return peer;
  }

  say(...messages: readonly WorkerMessage[]): void {
    for (const frame of encodeFrames(0, messages, MIB)) this.socket.send(frame);
  }

  /** One frame of whatever values. */
  sayPlain(...messages: readonly Plain[]): void {
    this.socket.send(packValue([0, ...messages]));
  }

  /** Resolves with the nth message of this kind; at the end of the connection, with what was heard. */
  async hears<K extends RuntimeMessage["kind"]>(
    kind: K,
    nth = 1,
  ): Promise<RuntimeMessage & { readonly kind: K }> {
    const isKind = (it: RuntimeMessage): it is RuntimeMessage & { readonly kind: K } =>
      it.kind === kind;
    const found = (): (RuntimeMessage & { readonly kind: K })[] => this.heard.filter(isKind);
    const enough = (): boolean => found().length >= nth || this.over;
    if (!enough()) await new Promise<void>((resolve) => this.#waiting.push({ enough, resolve }));
    const message = found()[nth - 1];
    if (message === undefined) throw new Error(`the connection ended without a ${kind} no. ${nth}`);
    return message;
  }

  /** Everything said before has been looked at, unless the connection ended. */
  async roundTrip(): Promise<void> {
    if (this.over || this.socket.readyState !== this.socket.OPEN) {
      await this.closed;
      return;
    }
    this.socket.ping();
    await Promise.race([once(this.socket, "pong"), this.closed]);
  }

  leave(): void {
    this.socket.terminate();
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ enough, resolve }) => {
      if (enough()) resolve();
      return !enough();
    });
  }
}
