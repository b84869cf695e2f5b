// The package in Node.js, which has files, and threads of its own.
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { SepconvError } from "./errors.js";
import { readModulesWith } from "./module.js";
import { startThreadsWith } from "./remote.js";
import { readFilesWith } from "./source.js";

export * from "./index.js";

readModulesWith((url) => readFile(url));

readFilesWith(async (source) => {
  try {
    return await readFile(/^file:/.test(source) ? new URL(source) : source);
  } catch (error) {
    throw new SepconvError({
      message: `${source}: cannot be read: ${error.code ?? error.message}`,
      kind: "io",
      file: `${source}`,
    });
  }
});

startThreadsWith(() => {
  const worker = new Worker(new URL("./worker-node.js", import.meta.url));
  const thread = {
    postMessage: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
  };
  worker.on("message", (data) => thread.onmessage({ data }));
  worker.on("error", (error) => thread.onerror(error));
  return thread;
});
