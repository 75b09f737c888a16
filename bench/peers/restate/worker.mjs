/**
 * The worker of Restate: the same services on its SDK. Plain JavaScript, since its packages are not
 * there for the compiler: they are installed only when the bench is asked for this peer.
 */
import { makeServices } from "../../dist/services.js";
import { Tally } from "../../dist/worker-control.js";

// Its SDK needs this of Node 22; two lines let it run on Node 20.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const { createEndpointHandler, object, service } = await import("@restatedev/restate-sdk");
const { createServer } = await import("node:http2");

const tally = new Tally();
tally.attach();
const server = createServer(
  createEndpointHandler({ services: makeServices({ object, service }, tally) }),
);
server.listen(0, "127.0.0.1", () => console.log(`worker ready ${server.address().port}`));
