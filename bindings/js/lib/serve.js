import { Model } from "./model.js";
import { init } from "./module.js";

/** Answers the calls that arrive at a port: the other side of remote.js. */
export function serve(port) {
  const models = new Map();
  const loads = new Map();
  let last = 0;

  const methods = {
    init,
    async load(source, options, { id, onProgress }) {
      const controller = new AbortController();
      loads.set(id, controller);
      try {
        const model = await Model.load(source, { ...options, onProgress, signal: controller.signal });
        models.set(++last, model);
        return { id: last, info: model.info };
      } finally {
        loads.delete(id);
      }
    },
  };

  function answer(method, key, args, listeners) {
    if (key === undefined) return methods[method](...args, listeners);
    const model = models.get(key);
    if (method === "dispose") models.delete(key);
    if (method === "compare") return model.compare({ ...args[0], onProgress: listeners.onProgress });
    return model[method](...args);
  }

  port.onmessage = async ({ data: { id, method, model, args, hasProgress, abort } }) => {
    if (abort) {
      loads.get(id)?.abort();
      return;
    }
    const onProgress = hasProgress ? (progress) => port.postMessage({ id, progress }) : undefined;
    try {
      port.postMessage({ id, result: await answer(method, model, args, { id, onProgress }) });
    } catch (error) {
      port.postMessage({ id, error: { ...error, name: error.name, message: error.message } });
    }
  };
}
