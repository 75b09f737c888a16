/**
 * Waiting for somebody outside: an awakeable is a promise with an id, and whoever has the id
 * completes it over HTTP, whenever that is.
 *
 *   curl localhost:8080/parcel/p-1/deliver/send -X POST
 *   curl localhost:8080/parcel/p-1/callback                      # the id that the courier was given
 *   curl localhost:8080/restate/awakeables/<id>/resolve --json '"signed by Ann"'
 */
import { fileURLToPath } from "node:url";
import { handlers, object, serve, type ObjectContext, type ObjectSharedContext } from "holdfast";

export const parcel = object({
  name: "parcel",
  handlers: {
    deliver: async (ctx: ObjectContext): Promise<string> => {
      const signature = ctx.awakeable<string>();
      // A real courier would be given the id here, in a ctx.run: "call us back at .../<id>/resolve".
      ctx.set("callback", signature.id);
      const signed = await signature.promise.orTimeout({ days: 7 });
      ctx.clear("callback");
      return signed;
    },
    callback: handlers.object.shared(async (ctx: ObjectSharedContext): Promise<string | null> =>
      ctx.get<string>("callback"),
    ),
  },
});

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve({ services: [parcel] });
