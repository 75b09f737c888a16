/** The runtime does not take this worker; dialing again with the same code is of no use. */
export class RegistrationRefusedError extends Error {
  override readonly name = "RegistrationRefusedError";
}
