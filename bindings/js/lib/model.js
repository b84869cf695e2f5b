import { Network } from "../pkg/sepconv.js";
import { argument, described, native, SepconvError } from "./errors.js";
import { BUILT_IN, init } from "./module.js";
import { bytesOf, read } from "./source.js";
import { count, fromNetwork, inputArrays, pixels, sampleInputs } from "./tensors.js";

/** A network, in the thread of its caller. index.d.ts describes every method. */
export class Model {
  #network;
  #info;

  static async load(source, options = {}) {
    const [{ bytes, name }] = await Promise.all([read(source, options), init()]);
    return new Model(bytes, { name, ...options });
  }

  static builtIn(options) {
    return Model.load(BUILT_IN, { name: "cifar10.onnx", ...options });
  }

  constructor(source, { name = "model", batch = 1, shapes = {}, preprocess, labels } = {}) {
    const bytes = bytesOf(source);
    const names = Object.keys(shapes);
    const sizes = names.map((input) => {
      const shape = shapes[input];
      if (!Array.isArray(shape))
        throw argument(`shape of input ${JSON.stringify(input)} is not usable`, "an array of sizes", described(shape));
      return Uint32Array.from(shape, (size) => count(`size in the shape of input ${JSON.stringify(input)}`, size));
    });
    const lines = Array.isArray(labels) ? labels.join("\n") : labels;
    if (lines !== undefined && typeof lines !== "string")
      throw argument("labels are not usable", "an array of names, or text of one a line", described(labels));
    if (preprocess !== undefined && typeof preprocess !== "string") {
      throw argument("preprocess is not usable", '"tf", "torch", "unit", "raw" or "MEAN/STD"', described(preprocess));
    }
    native(() => {
      this.#network = new Network(bytes, `${name}`, count("batch", batch), names, sizes, preprocess, lines);
      try {
        this.#info = Object.freeze({ ...this.#network.info(), bytes: bytes.length });
      } catch (error) {
        this.dispose();
        throw error;
      }
    });
  }

  get info() {
    return this.#info;
  }

  run(inputs) {
    const arrays = inputArrays(inputs, this.#info.inputs);
    const outputs = this.#call((network) => network.run(arrays));
    return Object.fromEntries(this.#info.outputs.map((info, i) => [info.name, fromNetwork(outputs[i], info)]));
  }

  classify(image, { top = 5 } = {}) {
    const { bytes, width, height } = pixels(image);
    count("top", top);
    return this.#call((network) => network.classify(bytes, width, height, top));
  }

  imageTensor(image) {
    const { bytes, width, height } = pixels(image);
    return { ...this.#call((network) => network.imageTensor(bytes, width, height)), type: "f32" };
  }

  layers() {
    return this.#call((network) => network.layers());
  }

  profile({ runs = 20, inputs } = {}) {
    const { inputs: infos } = this.#info;
    const arrays = inputs === undefined ? sampleInputs(infos) : inputArrays(inputs, infos);
    count("runs", runs);
    const { runs: times, ends } = this.#call((network) => network.profile(arrays, runs));
    return profileOf(this.layers(), times, ends);
  }

  compare({ rounds = 5, onProgress } = {}) {
    count("rounds", rounds);
    return this.#call((network) => network.compare(rounds, (done, total) => onProgress?.({ done, total })));
  }

  reset() {
    this.#call((network) => network.reset());
  }

  dispose() {
    this.#network?.free();
    this.#network = undefined;
  }

  free() {
    this.dispose();
  }

  #call(method) {
    if (!this.#network) {
      throw new SepconvError({
        message: `${this.#info.name}: model was disposed of before this call`,
        kind: "argument",
        file: this.#info.name,
      });
    }
    return native(() => method(this.#network));
  }
}

if (Symbol.dispose) Model.prototype[Symbol.dispose] = Model.prototype.dispose;

/** Steps and blocks with their times, of layers and of when the stages of a run ended. */
function profileOf(layers, times, ends) {
  const ms = ends.map((end, stage) => end - (ends[stage - 1] ?? 0));
  const total = (items, key) => items.reduce((sum, item) => sum + item[key], 0);
  const steps = ms.slice(1, -1).map((ms, number) => {
    const own = layers.filter((layer) => layer.step === number);
    return { ms, macs: total(own, "macs"), block: own[0]?.block ?? null, layers: own.map((layer) => layer.name) };
  });
  // What is outside of blocks stays where it is: runs of steps of the same block, in the order of the network.
  const blocks = [];
  for (const step of steps) {
    const last = blocks.at(-1);
    if (last && last[0].block?.number === step.block?.number) last.push(step);
    else blocks.push([step]);
  }
  const sorted = [...times].sort((a, b) => a - b);
  return {
    runs: times,
    minMs: sorted[0],
    medianMs: sorted[sorted.length >> 1],
    ioMs: ms[0] + ms.at(-1),
    steps,
    blocks: blocks.map((own) => ({
      block: own[0].block,
      layers: own.flatMap((step) => step.layers),
      ms: total(own, "ms"),
      macs: total(own, "macs"),
    })),
  };
}
