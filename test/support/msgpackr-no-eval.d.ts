// The entry point without `new Function` has no types of its own.
declare module "msgpackr/index-no-eval" {
  export { Packr, Unpackr } from "msgpackr";
}
