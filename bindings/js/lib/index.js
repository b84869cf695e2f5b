export { SepconvError } from "./errors.js";
export { Model } from "./model.js";
export { init } from "./module.js";
export { startWorker } from "./remote.js";
