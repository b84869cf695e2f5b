import start from "../pkg/sepconv.js";
import { argument, described, SepconvError } from "./errors.js";

/** The modules: what each can do, in the order of their sizes. Bundlers find the files by these expressions. */
const MODULES = {
  full: () => new URL("../pkg/sepconv.wasm", import.meta.url),
  small: () => new URL("../pkg/sepconv-small.wasm", import.meta.url),
};

/** The network that comes with the package. */
export const BUILT_IN = new URL("../pkg/cifar10.onnx", import.meta.url);

let started;

/** Reads a module where it cannot be fetched. */
let readModule = (url) => url;

/** Says how modules are read: Node.js cannot fetch files. */
export function readModulesWith(read) {
  readModule = read;
}

/**
 * Compiles and starts a module, once. Without a call the first model that is loaded does it.
 * @param module `"full"`, `"small"`, an address, a `Response`, bytes, or a `WebAssembly.Module`
 */
export function init({ module = "full" } = {}) {
  started ??= initOnce(module).catch((error) => {
    started = undefined;
    throw error;
  });
  return started;
}

async function initOnce(module) {
  if (typeof module === "string" && !Object.hasOwn(MODULES, module) && !/[./]/.test(module)) {
    throw argument(
      "module is unknown",
      `${Object.keys(MODULES).join(", ")}, an address or the module itself`,
      described(module),
    );
  }
  const source = Object.hasOwn(MODULES, module) ? await readModule(MODULES[module]()) : module;
  try {
    await start({ module_or_path: source });
  } catch (error) {
    const isUnable = error instanceof WebAssembly.CompileError;
    const help = isUnable
      ? "WebAssembly SIMD is needed: Chrome 91, Firefox 89, Safari 16.4 or Node.js 20"
      : "is the file there?";
    throw new SepconvError({
      message: `WebAssembly module cannot be started: ${error.message}; ${help}`,
      kind: "io",
      help,
    });
  }
}
