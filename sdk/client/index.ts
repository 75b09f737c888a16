/** What `holdfast/client` exports. */
export {
  connect,
  type ConnectOptions,
  type ConnectRuntime,
  type GenericClientCall,
  type Ingress,
  type Output,
  type Send,
} from "./connect.ts";
export { HttpCallError, type RetryPolicy } from "./http.ts";
export { Opts, SendOpts, type ClientCallOptions, type ClientSendOptions } from "./options.ts";
export { rpc } from "../rpc.ts";
export type { IngressClient, IngressSendClient, IngressWorkflowClient } from "./client-types.ts";
