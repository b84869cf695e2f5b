import { argument, described, SepconvError } from "./errors.js";
import { BUILT_IN } from "./module.js";
import { bytesOf } from "./source.js";

/** Starts the thread of a worker. Written so that bundlers find its file. */
let start = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

/** Says how threads are started: Node.js has other ones. */
export function startThreadsWith(startThread) {
  start = startThread;
}

/** Starts a worker, whose models answer while the page stays responsive. `options` are those of `init`. */
export async function startWorker(options = {}) {
  const worker = new ModelWorker(start());
  try {
    await worker.call("init", [options]);
  } catch (error) {
    worker.dispose();
    throw error;
  }
  return worker;
}

class ModelWorker {
  #thread;
  #calls = new Map();
  #last = 0;

  constructor(thread) {
    this.#thread = thread;
    thread.onmessage = ({ data }) => this.#hear(data);
    thread.onerror = (event) => this.#end(`worker failed: ${event.message ?? event}`);
  }

  async load(source, { onProgress, signal, ...options } = {}) {
    const { id, info } = await this.call("load", [await sendable(source), options], { onProgress, signal });
    return new RemoteModel(this, id, info);
  }

  builtIn(options) {
    return this.load(BUILT_IN, { name: "cifar10.onnx", ...options });
  }

  /** Ends the thread at once; calls that it has not answered fail. */
  dispose() {
    this.#end("worker was disposed of before this call was answered");
  }

  free() {
    this.dispose();
  }

  /** Calls a method of the worker, or of the model `model` there. */
  call(method, args, { model, onProgress, signal } = {}) {
    return new Promise((resolve, reject) => {
      if (!this.#thread)
        throw new SepconvError({ message: "worker was disposed of before this call", kind: "argument" });
      signal?.throwIfAborted();
      const id = ++this.#last;
      const abort = () => this.#thread?.postMessage({ id, abort: true });
      signal?.addEventListener("abort", abort, { once: true });
      const done = () => signal?.removeEventListener("abort", abort);
      this.#thread.postMessage({ id, method, model, args, hasProgress: Boolean(onProgress) });
      this.#calls.set(id, { resolve, reject, onProgress, done });
    });
  }

  #hear({ id, result, error, progress }) {
    const call = this.#calls.get(id);
    if (!call) return;
    if (progress) {
      call.onProgress?.(progress);
      return;
    }
    this.#calls.delete(id);
    call.done();
    if (error)
      call.reject(error.name === "AbortError" ? new DOMException(error.message, error.name) : new SepconvError(error));
    else call.resolve(result);
  }

  #end(message) {
    this.#thread?.terminate();
    this.#thread = undefined;
    for (const { reject, done } of this.#calls.values()) {
      done();
      reject(new SepconvError({ message, kind: "cancelled" }));
    }
    this.#calls.clear();
  }
}

/** A model in a worker: the methods of `Model`, with promises. */
class RemoteModel {
  #worker;
  #id;
  #info;

  constructor(worker, id, info) {
    this.#worker = worker;
    this.#id = id;
    this.#info = Object.freeze(info);
  }

  get info() {
    return this.#info;
  }

  run(inputs) {
    return this.#call("run", [inputs]);
  }

  classify(image, options) {
    return this.#call("classify", [plain(image), options]);
  }

  imageTensor(image) {
    return this.#call("imageTensor", [plain(image)]);
  }

  layers() {
    return this.#call("layers", []);
  }

  profile(options) {
    return this.#call("profile", [options]);
  }

  compare({ onProgress, ...options } = {}) {
    return this.#call("compare", [options], { onProgress });
  }

  reset() {
    return this.#call("reset", []);
  }

  async dispose() {
    const [worker, id] = [this.#worker, this.#id];
    this.#worker = undefined;
    // Where the worker has ended its models have, too.
    await worker?.call("dispose", [], { model: id }).catch(() => {});
  }

  free() {
    return this.dispose();
  }

  async #call(method, args, listeners) {
    if (!this.#worker) {
      throw new SepconvError({
        message: `${this.#info.name}: model was disposed of before this call`,
        kind: "argument",
        file: this.#info.name,
      });
    }
    return this.#worker.call(method, args, { ...listeners, model: this.#id });
  }
}

if (Symbol.dispose) ModelWorker.prototype[Symbol.dispose] = ModelWorker.prototype.dispose;
if (Symbol.asyncDispose) RemoteModel.prototype[Symbol.asyncDispose] = RemoteModel.prototype.dispose;

/** An image as what can be sent; others are refused there. */
function plain(image) {
  if (typeof image !== "object" || image === null || image.data === undefined) {
    throw argument(
      "image is not usable",
      "ImageData, or { data, width, height } of RGBA or RGB bytes",
      described(image),
    );
  }
  const { data, width, height } = image;
  return { data, width, height };
}

/** A source as what can be sent. */
async function sendable(source) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  if (typeof source === "string") return base ? new URL(source, base).href : source;
  if (source instanceof URL) return source.href;
  if (source instanceof Request) return fetch(source).then(sendable);
  if (source instanceof Response) return new Blob([await source.arrayBuffer()]);
  return source instanceof Blob ? source : bytesOf(source);
}
