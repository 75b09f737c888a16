/** The curves there are. */
export const CURVE_NAMES = [
  "keys",
  "held",
  "journal",
  "inbox",
  "retained",
  "workers",
  "services",
] as const;

export type CurveName = (typeof CURVE_NAMES)[number];
