/**
 * A recording: what a runtime did to its data directory, and what it told the outside, in order.
 * Several processes one after the other on one directory make one recording: a SIGKILL takes nothing
 * from the page cache, so what the first had not flushed is still in danger under the second.
 */
import { bytesOf, descriptorOf, lastNumber, parseTrace, type Call } from "./trace.ts";
import { WorkerWire, type ToldGo } from "./worker-wire.ts";

/** One file of a partition, whatever its name is at the moment. */
export type FileId = string;

/** Bytes on their way into a file. */
export interface DiskWrite {
  readonly file: FileId;
  readonly offset: number;
  readonly bytes: Buffer;
  /** Through the descriptor whose writes are durable when they return, and it did return. */
  synced: boolean;
  readonly startLine: number;
  /** Of a write in whose middle the process died: the end of that process. */
  endLine: number;
}

export interface Flush {
  readonly file: FileId;
  readonly startLine: number;
  readonly endLine: number;
}

/** What happened to a name in the data directory. */
export interface NameChange {
  readonly path: string;
  /** "renamed": it was there under the name `from` before. */
  readonly change: "made" | "renamed" | "removed";
  readonly from: string | undefined;
  /** What has the name; undefined for folders and what is not written to in parts. */
  readonly file: FileId | undefined;
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
  /** In order. */
  readonly names: readonly NameChange[];
  readonly acknowledgements: readonly Acknowledgement[];
  /** Of all processes, in order. */
  readonly goes: readonly ToldGo[];
  readonly lastLine: number;
}

/** The names that matter; `lock` is about live processes only, and those are gone after a power loss. */
const NAMES = /^(holdfast\.json|partitions(\/0(\.new)?(\/(data\.mdb|commit-log\.\w+))?)?)$/;
const FILES = /^partitions\/0(\.new)?\/(data\.mdb|commit-log\.\w+)$/;
export const DATA_FILE: FileId = "data.mdb";

export interface Tenure {
  readonly trace: string;
  /** The files of the partition as the process left them, by their names in its folder. */
  readonly leftBehind: ReadonlyMap<string, Buffer>;
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
  readonly names: NameChange[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly #workers = new Map<string, WorkerWire>();
  lastLine = 0;
  readonly #dataDir: string;
  #tenure = 0;
  /** What has a name now. */
  readonly #fileAt = new Map<string, FileId>();
  #logs = 0;
  /** As the traces up to now leave them. */
  readonly #contents = new Map<FileId, Buffer>();
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
        return this.#change(call, "made", firstPath(call));
      case "rename":
        return this.#rename(call);
      case "unlink":
      case "unlinkat":
        return this.#change(call, "removed", firstPath(call));
      case "openat":
        return this.#open(call);
      case "lseek":
        return this.#seek(call);
      case "fdatasync":
      case "fsync":
        return this.#flush(call);
      case "ftruncate":
        if (this.#fileOf(call)) throw new Error("a file was truncated: the model lacks that");
        return;
      default:
        return this.#write(call);
    }
  }

  /** Under its name, and under that of the draft of its partition: it is one file. */
  #fileOf(call: Call): FileId | undefined {
    return this.#fileAt.get(this.#nameOf(descriptorOf(call).path).replace("0.new/", "0/"));
  }

  /** Within the data directory; "" for what is outside. */
  #nameOf(path: string): string {
    return path.startsWith(`${this.#dataDir}/`) ? path.slice(this.#dataDir.length + 1) : "";
  }

  #change(call: Call, change: NameChange["change"], absolute: string, from?: string): void {
    const path = this.#nameOf(absolute);
    // mkdir -p: it may be there; and what is removed to make sure is mostly not.
    if (!NAMES.test(path) || this.#isThere(path) === (change !== "removed")) return;
    const file = this.#fileAt.get(path.replace("0.new/", "0/"));
    this.names.push({ path, change, from, file, line: call.startLine, durableLine: undefined });
  }

  #isThere(path: string): boolean {
    const last = this.names.findLast((it) => it.path === path || it.from === path);
    return last?.path === path && last.change !== "removed";
  }

  #rename(call: Call): void {
    const [, from = "", to = ""] = /^"([^"]*)", "([^"]*)"/.exec(call.argumentsText) ?? [];
    const [oldName, newName] = [this.#nameOf(from), this.#nameOf(to)];
    const file = this.#fileAt.get(oldName);
    if (file !== undefined) {
      this.#fileAt.delete(oldName);
      this.#fileAt.set(newName, file);
    }
    const known = this.names.some((it) => it.path === oldName);
    this.#change(call, known ? "renamed" : "made", to, known ? oldName : undefined);
  }

  #open(call: Call): void {
    const path = firstPath(call);
    const name = this.#nameOf(path);
    if (!FILES.test(name) || call.result === undefined) return;
    this.#positions.set(call.result, 0);
    if (call.argumentsText.includes("O_DSYNC")) this.#synced.add(call.result);
    else this.#synced.delete(call.result);
    const key = name.replace("0.new/", "0/");
    if (!call.argumentsText.includes("O_CREAT") || this.#fileAt.has(key)) return;
    this.#fileAt.set(key, key.endsWith(DATA_FILE) ? DATA_FILE : `commit log ${++this.#logs}`);
    this.#change(call, "made", path);
  }

  #seek(call: Call): void {
    if (this.#fileOf(call) === undefined || call.result === undefined) return;
    this.#positions.set(descriptorOf(call).fd, call.result);
  }

  #flush(call: Call): void {
    const { startLine, endLine } = call;
    if (endLine === undefined) return;
    const file = this.#fileOf(call);
    if (file !== undefined) {
      this.flushes.push({ file, startLine, endLine });
      return;
    }
    const { path } = descriptorOf(call);
    for (const name of this.names) {
      const above = `${this.#dataDir}/${name.path}`.replace(/\/[^/]*$/, "");
      if (above === path && name.line < startLine) name.durableLine ??= endLine;
    }
  }

  #write(call: Call): void {
    const { fd, path } = descriptorOf(call);
    const file = this.#fileOf(call);
    if (file !== undefined) {
      const bytes = bytesOf(call);
      const { startLine, endLine = Infinity } = call;
      const placed = call.name.startsWith("pwrite");
      const offset = placed ? lastNumber(call) : (this.#positions.get(fd) ?? 0);
      if (!placed) this.#positions.set(fd, offset + bytes.length);
      if (call.result !== undefined && call.result !== bytes.length) {
        throw new Error(`${call.name} of ${bytes.length} bytes wrote ${call.result}`);
      }
      this.writes.push({ file, offset, bytes, synced: this.#synced.has(fd), startLine, endLine });
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
   * The trace must be all that happened: replayed, it gives the files that were left behind. Of a write
   * in whose middle the process died, the file says whether it had arrived.
   */
  #compare(leftBehind: Tenure["leftBehind"], from: number): void {
    const left = new Map<FileId, Buffer>();
    for (const [path, file] of this.#fileAt) {
      const bytes = leftBehind.get(path.replace(/^.*\//, ""));
      if (bytes !== undefined) left.set(file, bytes);
    }
    for (const write of this.writes.slice(from)) this.#replay(write, left.get(write.file));
    this.writes = this.writes.filter((it) => it.endLine < Infinity);
    for (const [file, bytes] of left) {
      const replayed = this.#contents.get(file)?.subarray(0, bytes.length);
      if (!replayed?.equals(bytes)) {
        throw new Error(`the recorded writes do not give the ${file} that the process left behind`);
      }
    }
  }

  #replay(write: DiskWrite, left: Buffer | undefined): void {
    const { file, offset, bytes } = write;
    const end = offset + bytes.length;
    if (write.endLine === Infinity) {
      // It may be in the page cache; only a later flush makes it durable.
      write.synced = false;
      if (!left?.subarray(offset, end).equals(bytes)) return;
      write.endLine = this.lastLine;
    }
    let content = this.#contents.get(file) ?? Buffer.alloc(0);
    if (content.length < end) content = Buffer.concat([content], Math.max(end, 2 * content.length));
    bytes.copy(content, offset);
    this.#contents.set(file, content);
  }
}

function firstPath(call: Call): string {
  return /"([^"]*)"/.exec(call.argumentsText)?.[1] ?? "";
}
