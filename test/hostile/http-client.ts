/** The client's end of a connection that carries many requests at once, answers read as they come. */
import { connect, type Socket } from "node:net";
import type { HostileRequest } from "./request-generator.ts";

export interface RawAnswer {
  readonly status: number;
  readonly closes: boolean;
}

/** Splits what a server says into answers. `methods` of the requests, since HEAD has no body. */
class AnswerReader {
  readonly answers: RawAnswer[] = [];
  readonly #methods: readonly string[];
  #rest = Buffer.alloc(0);

  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  /** `ended`: nothing more will come. */
  read(chunk: Buffer, ended = false): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.#rest.toString("latin1", 0, end);
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
      if (!(status >= 100)) throw new Error(`this is no answer: ${JSON.stringify(head)}`);
      const final = status >= 200;
      const announced = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const closes = /\r\nconnection: close/i.test(head);
      const toHead = this.#methods[this.answers.length] === "HEAD";
      // What is no HTTP has no method: the last answer may hold a body whatever was meant.
      const isLast = closes && (!ended || this.#rest.length > end + 4);
      const size = end + 4 + (final && (!toHead || isLast) ? announced : 0);
      if (this.#rest.length < size) return;
      this.#rest = this.#rest.subarray(size);
      if (final) this.answers.push({ status, closes });
    }
  }

  /** What is there of the next answer. */
  get rest(): string {
    return this.#rest.toString("latin1");
  }
}

/** Silence after which a request counts as hung: far beyond what any answer takes. */
const HUNG_MS = 20_000;

/**
 * Sends all of it in one go, or one by one, each when the one before it is answered; resolves when
 * everything is answered or the server closed. Half of an answer, or neither answer nor close, rejects.
 */
export function exchange(
  port: number,
  requests: readonly HostileRequest[],
  { oneByOne = false }: { readonly oneByOne?: boolean } = {},
): Promise<RawAnswer[]> {
  return new Promise((resolve, reject) => {
    const reader = new AnswerReader(requests.map((it) => it.method));
    const socket: Socket = connect({ port, host: "127.0.0.1" });
    const settle = (error?: Error): void => {
      clearTimeout(hung);
      socket.destroy();
      if (error) reject(error);
      else resolve(reader.answers);
    };
    const hung = setTimeout(() => {
      const next = requests[reader.answers.length]?.bytes.toString("latin1").slice(0, 300);
      settle(new Error(`hung after ${reader.answers.length} answers: ${JSON.stringify(next)}`));
    }, HUNG_MS);
    socket.on("data", (chunk) => {
      try {
        reader.read(chunk);
      } catch (error) {
        settle(error as Error); // the reader throws nothing else
        return;
      }
      const { answers, rest } = reader;
      const next = requests[answers.length];
      if (oneByOne && next !== undefined && sent === answers.length && rest === "") {
        sent++;
        socket.write(next.bytes);
      }
      const all = answers.length === requests.length || answers.at(-1)?.closes === true;
      if (all && rest === "") settle();
    });
    socket.on("end", () => {
      reader.read(Buffer.alloc(0), true);
      const { answers, rest } = reader;
      const message = `ended after ${answers.length} answers, in the middle of ${JSON.stringify(rest.slice(0, 1_000))}`;
      settle(rest === "" ? undefined : new Error(message));
    });
    socket.on("close", () => settle(new Error(`reset after ${reader.answers.length} answers`)));
    // It says no more than the close that follows.
    socket.on("error", () => undefined);
    let sent = oneByOne ? 1 : requests.length;
    socket.write(Buffer.concat(requests.slice(0, sent).map((it) => it.bytes)));
  });
}
