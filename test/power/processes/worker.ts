/** The worker of a recording. */
import { serve } from "../../../sdk/index.ts";
import { SERVICES, VERSION } from "./services.ts";

await serve({ services: SERVICES, version: VERSION });
