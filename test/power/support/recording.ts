/**
 * A recording: what a runtime did to its data directory, and what it told the outside, in order.
 * Several processes one after the other on one directory make one recording: a SIGKILL takes nothing
 * from the page cache, so what the first had not flushed is still in danger under the second.
 */
import { bytesOf, descriptorOf, lastNumber, parseTrace, type Call } from "./trace.ts";
import { WorkerWire, type ToldGo } from "./worker-wire.ts";

/** Bytes on their way into data.mdb. */
export interface DiskWrite {
  readonly offset: number;
  readonly bytes: Buffer;
  /** Through the descriptor whose writes are durable when they return, and it did return. */
  synced: boolean;
  readonly startLine: number;
  /** Of a write in whose middle the process died: the end of that process. */
  endLine: number;
}

export interface Flush {
  readonly startLine: number;
  readonly endLine: number;
}

/** A name that appeared in the data directory. */
export interface Created {
  readonly path: string;
  /** It was there under this name before. */
  readonly renamedFrom: string | undefined;
  readonly line: number;
  /** When a flush of the directory above had made it durable. */
  durableLine: number | undefined;
}

/** An HTTP answer 200 or 202, as the first of its bytes went to the socket. */
export interface Acknowledgement {
  readonly line: number;
  readonly status: number;
  readonly id: string;
  readonly body: string;
  /** Which connection, within which process. */
  readonly socket: string;
}

export interface Recording {
  readonly writes: readonly DiskWrite[];
  readonly flushes: readonly Flush[];
  readonly created: readonly Created[];
  readonly acknowledgements: readonly Acknowledgement[];
  /** Of all processes, in order. */
  readonly goes: readonly ToldGo[];
  readonly lastLine: number;
}

/** The names that matter; `lock` is about live processes only, and those are gone after a power loss. */
const NAMES = /^(holdfast\.json|partitions(\/0(\.new)?(\/data\.mdb)?)?)$/;
const DATA_FILE = /^partitions\/0(\.new)?\/data\.mdb$/;

export interface Tenure {
  readonly trace: string;
  /** data.mdb as the process left it. */
  readonly leftBehind: Buffer;
}

/** @param dataDir as the traces name it */
export function readRecording(dataDir: string, tenures: readonly Tenure[]): Recording {
  const reader = new Reader(dataDir);
  for (const tenure of tenures) reader.read(tenure);
  return reader;
}

class Reader implements Recording {
  writes: DiskWrite[] = [];
  readonly flushes: Flush[] = [];
  readonly created: Created[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly #workers = new Map<string, WorkerWire>();
  lastLine = 0;
  readonly #dataDir: string;
  #tenure = 0;
  #file: Buffer = Buffer.alloc(0);
  #positions = new Map<number, number>();
  #synced = new Set<number>();

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  get goes(): ToldGo[] {
    return [...this.#workers.values()].flatMap((it) => it.goes).sort((a, b) => a.line - b.line);
  }

  read({ trace, leftBehind }: Tenure): void {
    const { calls, nextLine } = parseTrace(trace, this.lastLine);
    this.#tenure++;
    this.#positions = new Map();
    this.#synced = new Set();
    const from = this.writes.length;
    for (const call of calls) this.#take(call);
    this.lastLine = nextLine;
    this.#compare(leftBehind, from);
  }

  #take(call: Call): void {
    if (call.result !== undefined && call.result < 0) return;
    switch (call.name) {
      case "mkdir":
        return this.#create(call, firstPath(call));
      case "rename":
        return this.#rename(call);
      case "openat":
        return this.#open(call);
      case "lseek":
        return this.#seek(call);
      case "fdatasync":
      case "fsync":
        return this.#flush(call);
      case "ftruncate":
        if (this.#isData(call)) throw new Error("data.mdb was truncated: the model lacks that");
        return;
      default:
        return this.#write(call);
    }
  }

  #isData(call: Call): boolean {
    return this.#isDataPath(descriptorOf(call).path);
  }

  /** Under its own name, and under that of the draft of its partition: it is one file. */
  #isDataPath(path: string): boolean {
    return DATA_FILE.test(this.#nameOf(path));
  }

  /** Within the data directory; "" for what is outside. */
  #nameOf(path: string): string {
    return path.startsWith(`${this.#dataDir}/`) ? path.slice(this.#dataDir.length + 1) : "";
  }

  #create(call: Call, absolute: string, renamedFrom?: string): void {
    const path = this.#nameOf(absolute);
    if (!NAMES.test(path) || this.created.some((it) => it.path === path)) return;
    this.created.push({ path, renamedFrom, line: call.startLine, durableLine: undefined });
  }

  #rename(call: Call): void {
    const [, from = "", to = ""] = /^"([^"]*)", "([^"]*)"/.exec(call.argumentsText) ?? [];
    const known = this.created.some((it) => it.path === this.#nameOf(from));
    this.#create(call, to, known ? this.#nameOf(from) : undefined);
  }

  #open(call: Call): void {
    const path = firstPath(call);
    if (!this.#isDataPath(path) || call.result === undefined) return;
    this.#positions.set(call.result, 0);
    if (call.argumentsText.includes("O_DSYNC")) this.#synced.add(call.result);
    const isNew = this.writes.length === 0;
    if (isNew && call.argumentsText.includes("O_CREAT")) this.#create(call, path);
  }

  #seek(call: Call): void {
    if (!this.#isData(call) || call.result === undefined) return;
    this.#positions.set(descriptorOf(call).fd, call.result);
  }

  #flush({ startLine, endLine, ...call }: Call): void {
    if (endLine === undefined) return;
    const { path } = descriptorOf({ startLine, endLine, ...call });
    if (this.#isDataPath(path)) {
      this.flushes.push({ startLine, endLine });
      return;
    }
    for (const name of this.created) {
      const above = `${this.#dataDir}/${name.path}`.replace(/\/[^/]*$/, "");
      if (above === path && name.line < startLine) name.durableLine ??= endLine;
    }
  }

  #write(call: Call): void {
    const { fd, path } = descriptorOf(call);
    if (this.#isData(call)) {
      const bytes = bytesOf(call);
      const { startLine, endLine = Infinity } = call;
      const placed = call.name.startsWith("pwrite");
      const offset = placed ? lastNumber(call) : (this.#positions.get(fd) ?? 0);
      if (!placed) this.#positions.set(fd, offset + bytes.length);
      if (call.result !== undefined && call.result !== bytes.length) {
        throw new Error(`${call.name} of ${bytes.length} bytes wrote ${call.result}`);
      }
      this.writes.push({ offset, bytes, synced: this.#synced.has(fd), startLine, endLine });
    } else if (path.startsWith("socket:") || path.startsWith("TCP")) this.#tell(call, path);
  }

  #tell(call: Call, path: string): void {
    const socket = `${this.#tenure} ${path}`;
    const worker = this.#workers.get(socket);
    if (worker) worker.take(bytesOf(call).subarray(0, call.result), call.startLine);
    else if (call.argumentsText.includes("HTTP/1.1 101")) {
      this.#workers.set(socket, new WorkerWire());
    } else if (call.argumentsText.includes("HTTP/1.1 20")) this.#answer(call, socket);
  }

  #answer(call: Call, socket: string): void {
    const text = bytesOf(call).toString("latin1");
    const [head = "", body = ""] = text.split("\r\n\r\n", 2);
    const status = Number(/^HTTP\/1\.1 (200|202) /.exec(head)?.[1]);
    const id = /^x-restate-id: (\S+)$/m.exec(head)?.[1];
    if (!status || id === undefined) return;
    this.acknowledgements.push({ line: call.startLine, status, id, body, socket });
  }

  /**
   * The trace must be all that happened: replayed, it gives the file that was left behind. Of a write
   * in whose middle the process died, the file says whether it had arrived.
   */
  #compare(leftBehind: Buffer, from: number): void {
    const size = Math.max(...this.writes.map((it) => it.offset + it.bytes.length));
    const file = Buffer.alloc(Math.max(size, this.#file.length));
    this.#file.copy(file);
    for (const write of this.writes.slice(from)) {
      const { offset, bytes } = write;
      if (write.endLine === Infinity) {
        // It may be in the page cache; only a later flush makes it durable.
        write.synced = false;
        if (!leftBehind.subarray(offset, offset + bytes.length).equals(bytes)) continue;
        write.endLine = this.lastLine;
      }
      bytes.copy(file, offset);
    }
    this.writes = this.writes.filter((it) => it.endLine < Infinity);
    if (!file.subarray(0, leftBehind.length).equals(leftBehind)) {
      throw new Error("the recorded writes do not give the file that the process left behind");
    }
    this.#file = file;
  }
}

function firstPath(call: Call): string {
  return /"([^"]*)"/.exec(call.argumentsText)?.[1] ?? "";
}
