import type { Manifest } from "../protocol/manifest.ts";
import { REGISTRATION, type AnyDefinition, type Registration } from "./definition.ts";

/** The services of a worker by name. @throws TypeError for what is no definition, or a name twice */
export function registrationsOf(definitions: readonly AnyDefinition[]): Map<string, Registration> {
  const registrations = new Map<string, Registration>();
  for (const definition of definitions) {
    const registration = definition?.[REGISTRATION];
    if (registration === undefined) {
      throw new TypeError("services are what service(), object() and workflow() give back");
    }
    if (registrations.has(registration.name)) {
      throw new TypeError(`two services are named "${registration.name}"`);
    }
    registrations.set(registration.name, registration);
  }
  if (registrations.size === 0) throw new TypeError("a worker needs at least one service");
  return registrations;
}

/** What a worker announces. */
export function manifestOf(registrations: ReadonlyMap<string, Registration>): Manifest {
  const services = [...registrations.values()].map((it) => ({
    name: it.name,
    kind: it.kind,
    handlers: [...it.handlers.values()].map((handler) => handler.manifest),
    description: it.description,
    metadata: it.metadata,
  }));
  return { services };
}
