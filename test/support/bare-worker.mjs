// A worker written from protocol/PROTOCOL.md alone: bare ws, and its own MessagePack.
import WebSocket from "ws";

const [url] = process.argv.slice(2);
const socket = new WebSocket(url, "holdfast.v1", { perMessageDeflate: false });

function pack(value) {
  if (value === null) return Buffer.of(0xc0);
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2);
  if (typeof value === "number") {
    if (value < 128) return Buffer.of(value);
    const bytes = Buffer.alloc(9, 0xcf);
    bytes.writeBigUInt64BE(BigInt(value), 1);
    return bytes;
  }
  if (typeof value === "string") return sized(0xdb, Buffer.from(value));
  if (value instanceof Uint8Array) return sized(0xc6, value);
  const head = Buffer.alloc(5, 0xdd);
  head.writeUInt32BE(value.length, 1);
  return Buffer.concat([head, ...value.map(pack)]);
}

function sized(type, bytes) {
  const head = Buffer.alloc(5, type);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function unpack(bytes) {
  let at = 0;
  const take = (count) => bytes.subarray(at, (at += count));
  const number = (count) => take(count).readUIntBE(0, count);
  const big = () => Number(take(8).readBigUInt64BE());
  const list = (count) => Array.from({ length: count }, read);
  function read() {
    const type = number(1);
    if (type < 0x80) return type;
    if (type >= 0x90 && type < 0xa0) return list(type & 15);
    if (type >= 0xa0 && type < 0xc0) return take(type & 31).toString();
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return take(number(1));
      case 0xc5:
        return take(number(2));
      case 0xc6:
        return take(number(4));
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
        return number(1);
      case 0xcd:
        return number(2);
      case 0xce:
        return number(4);
      case 0xcf:
        return big();
      case 0xd9:
        return take(number(1)).toString();
      case 0xda:
        return take(number(2)).toString();
      case 0xdb:
        return take(number(4)).toString();
      case 0xdc:
        return list(number(2));
      case 0xdd:
        return list(number(4));
      default:
        throw new Error(`type ${type}`);
    }
  }
  return read();
}

const send = (...messages) => socket.send(pack([0, ...messages]));
const json = (value) => Buffer.from(JSON.stringify(value));

const handler = {
  name: "greet",
  mode: "stateless",
  inputContentType: "application/json",
  inputRequired: false,
  outputContentType: "application/json",
  ingressPrivate: false,
  retry: null,
  inactivityTimeoutMs: null,
  idempotencyRetentionMs: null,
  journalRetentionMs: null,
  workflowRetentionMs: null,
  lazyState: false,
  description: "",
  metadata: {},
};
const service = {
  name: "Bare",
  kind: "service",
  handlers: [handler],
  description: "",
  metadata: {},
};

const attempts = new Map();

// The handler: a run named "step", then a sleep, then the end. Each step waits for the delivery before.
function advance(id) {
  const it = attempts.get(id);
  if (it.missing > 0) return;
  const recorded = it.commands;
  while (it.made < it.deliveries.length || it.made === 0) {
    if (it.made >= it.deliveries.length && it.issued > 0) return;
    if (it.issued === 0) issue(id, recorded, [13, 0, 0, false, "step", 1, null, 0]);
    const delivery = it.deliveries[it.made];
    if (delivery === undefined) return;
    it.made++;
    const [, completionId, kind, value] = delivery;
    if (completionId === 1) {
      it.step = kind === 3 ? it.proposal : value;
      issue(id, recorded, [8, 1, 1, false, "", 50, 2]);
    } else {
      const result = `${JSON.parse(it.input)} ${JSON.parse(it.step)} slept`;
      send([5, id, [true, json(result)]]);
      attempts.delete(id);
      return;
    }
  }
}

function issue(id, recorded, command) {
  attempts.get(id).issued++;
  if (recorded.some((it) => it[1] === command[1])) return;
  send([2, id, command]);
}

socket.on("open", () =>
  send([1, 1, "dev", 10, "bare", JSON.stringify({ services: [service] }), 0]),
);
socket.on("message", (data) => {
  const [, ...messages] = unpack(data);
  for (const [type, id, ...fields] of messages) {
    if (type === 32) process.stdout.write("bare worker ready\n");
    else if (type === 34) {
      const input = fields[7].toString() || '""';
      const missing = fields[10] + fields[11];
      attempts.set(id, { input, missing, commands: [], deliveries: [], made: 0, issued: 0 });
      advance(id);
    } else if (type === 35) {
      const it = attempts.get(id);
      for (const [kind, entry] of fields[0]) (kind === 1 ? it.commands : it.deliveries).push(entry);
      it.missing -= fields[0].length;
      advance(id);
    } else if (type === 36) {
      attempts.get(id)?.deliveries.push(fields[0]);
      if (attempts.has(id)) advance(id);
    } else if (type === 37 && attempts.has(id)) {
      const [command, attempted] = fields;
      attempts.get(id).proposal = json(`ran as try ${attempted}`);
      process.stdout.write(`bare closure try=${attempted}\n`);
      if (process.env.DIE_AT_FIRST_GO === "1") process.exit(9);
      send([3, id, command, attempted, [true, attempts.get(id).proposal], null]);
    }
  }
});
socket.on("close", (code, reason) => {
  process.stdout.write(`bare worker closed ${code} ${reason}\n`);
  process.exit(0);
});
