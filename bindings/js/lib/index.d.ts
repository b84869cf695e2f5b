/// <reference lib="esnext.disposable" />

/** What a model is loaded from: an address, a response, a file, or the bytes of one. */
export type Source = string | URL | Request | Response | Blob | ArrayBuffer | ArrayBufferView;

/** The type of a tensor's elements in a model's file. */
export type ElementType =
  "f16" | "bf16" | "f32" | "f64" | "bool" | "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64";

/** The elements of a tensor, in the array of its type; bool is a Uint8Array of 0 and 1, f16 and bf16 a Float32Array. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** An input. Without a shape it has the network's. */
export interface TensorInput {
  data: TensorData | Uint8ClampedArray;
  shape?: readonly number[];
}

/** An output. */
export interface Tensor {
  data: TensorData;
  shape: number[];
  type: ElementType;
}

/** Pixels as canvases have them, or RGBA or RGB bytes row after row. */
export type Image = ImageData | { data: Uint8ClampedArray | Uint8Array | ArrayBuffer; width: number; height: number };

export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
  /** How int8 elements stand for real numbers, where the network says so: (element - zeroPoint) * scale. */
  readonly scale?: number;
  readonly zeroPoint?: number;
}

/** How pixels become the network's numbers. */
export interface Preprocess {
  /** What `LoadOptions.preprocess` takes. */
  readonly text: string;
  readonly formula: string;
  /** Who says so: the model's file, the caller, or a default that is usual for the format. */
  readonly source: "file" | "network" | "argument" | "default";
}

export interface ModelInfo {
  readonly name: string;
  readonly format: "onnx" | "tflite";
  readonly description: string | null;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** The image that the network takes; null if it takes something else. */
  readonly image: { readonly width: number; readonly height: number; readonly channels: number } | null;
  readonly preprocess: Preprocess | null;
  /** The names of the classes; empty if they are not known. */
  readonly labels: readonly string[];
  readonly parameters: number;
  /** Multiply-accumulates. */
  readonly macs: number;
  /** The size of the file. */
  readonly bytes: number;
}

export interface Prediction {
  /** The position among the network's outputs. */
  output: number;
  /** The class: the output without the background class; null is the background. */
  class: number | null;
  label: string | null;
  /** From 0 to 1. */
  score: number;
}

export interface Block {
  number: number;
  kind: string;
}

/** A layer and the kernel that was chosen for it. */
export interface Layer {
  name: string;
  op: string;
  kernel: string;
  reason: string;
  /** Layers of one step run together, a few rows at a time. */
  step: number;
  block: Block | null;
  inputs: number[][];
  output: number[];
  type: ElementType;
  parameters: number;
  macs: number;
}

/** Milliseconds of several runs, and of the parts of the median run. */
export interface Profile {
  runs: number[];
  minMs: number;
  medianMs: number;
  /** Copying inputs and outputs. */
  ioMs: number;
  steps: { ms: number; macs: number; block: Block | null; layers: string[] }[];
  /** Steps of the same block together, in the order of the network. */
  blocks: { ms: number; macs: number; block: Block | null; layers: string[] }[];
}

export interface Candidate {
  macs: number;
  parameters: number;
  minMs: number;
  medianMs: number;
}

/** Separable convolutions beside the standard ones that they replace. */
export interface Speedup {
  separable: Candidate;
  standard: Candidate;
  /** How many times as many multiply-accumulates the standard convolution needs. */
  theoreticalSpeedup: number;
  /** How many times as long it takes. */
  measuredSpeedup: number;
}

export interface Pair extends Speedup {
  depthwise: string;
  pointwise: string;
  kind: "separable" | "projection";
  squeezeExcite: boolean;
  kernel: [number, number];
  stride: [number, number];
  channels: [number, number];
  plane: [number, number];
}

export interface Comparison {
  pairs: Pair[];
  network: Speedup;
}

export interface InitOptions {
  /**
   * `"full"` (default) does everything, `"small"` runs ONNX files in f32 and has no `layers`,
   * `profile` and `compare`; or the module itself: an
   * address, a response, bytes, or a compiled module.
   */
  module?: "full" | "small" | string | URL | Response | ArrayBuffer | ArrayBufferView | WebAssembly.Module;
}

export interface ModelOptions {
  /** What errors call the model. Default: the last part of its address, or the name of its file. */
  name?: string;
  /** How many images are computed at a time. Default: 1. */
  batch?: number;
  /** Shapes of inputs whose sizes the file leaves open. */
  shapes?: Record<string, readonly number[]>;
  /** `"tf"`, `"torch"`, `"unit"`, `"raw"` or `"MEAN/STD"`. Default: what the file says, else what is usual for its format. */
  preprocess?: string;
  /** The names of the classes. Default: those in the file. */
  labels?: readonly string[] | string;
}

export interface LoadOptions extends ModelOptions {
  /** Called while the file arrives. `total` is null where the server does not say. */
  onProgress?: (progress: { loaded: number; total: number | null }) => void;
  signal?: AbortSignal;
}

export interface CompareOptions {
  /** Default: 5. */
  rounds?: number;
  onProgress?: (progress: { done: number; total: number }) => boolean | void;
}

export type ErrorKind = "malformed" | "unsupported" | "mismatch" | "limit" | "argument" | "io" | "cancelled";

export class SepconvError extends Error {
  readonly kind: ErrorKind;
  readonly file?: string;
  /** Where in the file. */
  readonly place?: string;
  readonly node?: string;
  readonly expected?: string;
  readonly got?: string;
  /** What to do. */
  readonly help?: string;
  toJSON(): object;
}

/** Compiles and starts a module, once. Without a call the first model that is loaded does it, with the default. */
export function init(options?: InitOptions): Promise<void>;

/** A network, in the thread of its caller. */
export class Model {
  static load(source: Source, options?: LoadOptions): Promise<Model>;
  /** The small network that comes with the package; it knows ten classes. */
  static builtIn(options?: LoadOptions): Promise<Model>;
  /** Of bytes, once `init` has answered. */
  constructor(bytes: ArrayBuffer | ArrayBufferView, options?: ModelOptions);

  readonly info: ModelInfo;
  /** Tensors by name in, tensors by name out. */
  run(inputs: Record<string, TensorInput>): Record<string, Tensor>;
  /** The likeliest classes of an image, which is fitted to the network first; default of `top`: 5. */
  classify(image: Image, options?: { top?: number }): Prediction[];
  /** The network's input for an image. */
  imageTensor(image: Image): Tensor;
  layers(): Layer[];
  /** Times the network on `inputs`; default: numbers that are the same every time, 20 runs. */
  profile(options?: { runs?: number; inputs?: Record<string, TensorInput> }): Profile;
  /** Where `onProgress` returns false it stops. */
  compare(options?: CompareOptions): Comparison;
  /** Forgets the state that runs have left in a network that keeps some. */
  reset(): void;
  /** Frees its memory. May be called twice; other calls fail afterwards. */
  dispose(): void;
  /** The same. */
  free(): void;
  [Symbol.dispose](): void;
}

/** A model in a worker: the same, with promises. `onProgress` of `compare` cannot stop it; disposing of the worker can. */
export interface RemoteModel {
  readonly info: ModelInfo;
  run(inputs: Record<string, TensorInput>): Promise<Record<string, Tensor>>;
  classify(image: Image, options?: { top?: number }): Promise<Prediction[]>;
  imageTensor(image: Image): Promise<Tensor>;
  layers(): Promise<Layer[]>;
  profile(options?: { runs?: number; inputs?: Record<string, TensorInput> }): Promise<Profile>;
  compare(options?: {
    rounds?: number;
    onProgress?: (progress: { done: number; total: number }) => void;
  }): Promise<Comparison>;
  reset(): Promise<void>;
  dispose(): Promise<void>;
  free(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ModelWorker {
  load(source: Source, options?: LoadOptions): Promise<RemoteModel>;
  builtIn(options?: LoadOptions): Promise<RemoteModel>;
  /** Ends the thread at once; calls that it has not answered fail. */
  dispose(): void;
  free(): void;
  [Symbol.dispose](): void;
}

/** Starts a worker, whose models answer while the page stays responsive. */
export function startWorker(options?: InitOptions): Promise<ModelWorker>;
