import { argument, described } from "./errors.js";

/** For each type of a file: the array that JavaScript has for it, and the one that the network computes with. */
const ARRAYS = {
  f16: [Float32Array, Float32Array],
  bf16: [Float32Array, Float32Array],
  f32: [Float32Array, Float32Array],
  f64: [Float64Array, Float32Array],
  bool: [Uint8Array, BigInt64Array],
  i8: [Int8Array, Int8Array],
  u8: [Uint8Array, Uint8Array],
  i16: [Int16Array, BigInt64Array],
  u16: [Uint16Array, BigInt64Array],
  i32: [Int32Array, BigInt64Array],
  u32: [Uint32Array, BigInt64Array],
  i64: [BigInt64Array, BigInt64Array],
  u64: [BigUint64Array, BigInt64Array],
};

const elements = (shape) => shape.reduce((product, size) => product * size, 1);

/** The array that the network computes with, of an input `{data, shape}`. */
function toNetwork(input, info) {
  const where = `input ${JSON.stringify(info.name)}`;
  const [array, computed] = ARRAYS[info.type];
  if (typeof input !== "object" || input === null)
    throw argument(`${where} is no tensor`, "{ data, shape }", described(input));
  const { data, shape = info.shape } = input;
  const isArray = data instanceof array || (array === Uint8Array && data instanceof Uint8ClampedArray);
  if (!isArray)
    throw argument(`data of ${where} has another type`, `${array.name} for type ${info.type}`, described(data));
  const isShape =
    Array.isArray(shape) &&
    shape.length === info.shape.length &&
    shape.every((size, axis) => size === info.shape[axis]);
  if (!isShape) {
    const help = "sizes that a file leaves open are chosen when it is loaded: load(source, { shapes })";
    throw argument(
      `shape of ${where} is another`,
      `[${info.shape}]`,
      Array.isArray(shape) ? `[${shape}]` : described(shape),
      help,
    );
  }
  if (data.length !== elements(shape)) {
    throw argument(
      `data of ${where} does not fill its shape`,
      `${elements(shape)} elements for shape [${shape}]`,
      data.length,
    );
  }
  if (data instanceof computed) return data;
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  return computed === BigInt64Array ? BigInt64Array.from(data, BigInt) : computed.from(data);
}

/** What the network computed, in the array of the file's type. */
export function fromNetwork({ data, shape }, info) {
  const [array] = ARRAYS[info.type];
  const isWide = data instanceof BigInt64Array && array !== BigInt64Array && array !== BigUint64Array;
  const converted = data instanceof array ? data : isWide ? array.from(data, Number) : array.from(data);
  return { data: converted, shape, type: info.type };
}

/** The arrays of the inputs in order, of an object of tensors by name. */
export function inputArrays(inputs, infos) {
  const names = infos.map((info) => JSON.stringify(info.name)).join(", ");
  if (typeof inputs !== "object" || inputs === null || ArrayBuffer.isView(inputs) || Array.isArray(inputs)) {
    throw argument("inputs are not named", `an object of tensors by name (${names})`, described(inputs));
  }
  const unknown = Object.keys(inputs).find((name) => !infos.some((info) => info.name === name));
  if (unknown !== undefined) throw argument("network has no input of this name", names, JSON.stringify(unknown));
  const missing = infos.find((info) => inputs[info.name] === undefined);
  if (missing) throw argument(`input ${JSON.stringify(missing.name)} is missing`, "{ data, shape }", "nothing");
  return infos.map((info) => toNetwork(inputs[info.name], info));
}

/** Inputs to measure with: numbers from -1 to 1 that are the same every time; zeros for integers, which index something. */
export function sampleInputs(infos) {
  const fraction = (x) => x - Math.floor(x);
  return infos.map(({ type, shape }) => {
    const array = new ARRAYS[type][1](elements(shape));
    if (array instanceof Float32Array) return array.map((_, i) => fraction(i * 0.61803398875) * 2 - 1);
    return array instanceof BigInt64Array ? array : array.map((_, i) => i * 37);
  });
}

/** The bytes of an image's pixels and its sizes. */
export function pixels(image) {
  const expected = "ImageData, or { data, width, height } of RGBA or RGB bytes";
  const help = "of a picture element or a bitmap, draw it on a canvas and take getImageData";
  if (typeof image !== "object" || image === null)
    throw argument("image is not usable", expected, described(image), help);
  const { data, width, height } = image;
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray || data instanceof ArrayBuffer;
  if (!isBytes)
    throw argument(
      "image is not usable",
      expected,
      data === undefined ? described(image) : `data ${described(data)}`,
      help,
    );
  const isSize = (size) => Number.isInteger(size) && size > 0;
  if (!isSize(width) || !isSize(height)) {
    throw argument("image has no size", "width and height in pixels", `${described(width)} x ${described(height)}`);
  }
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
  if (bytes.length !== width * height * 4 && bytes.length !== width * height * 3) {
    throw argument(
      "pixels do not fill the image",
      `${width * height * 4} bytes (RGBA) or ${width * height * 3} (RGB) for ${width}x${height}`,
      bytes.length,
    );
  }
  return { bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), width, height };
}

/** A whole number of at least one. */
export function count(what, value) {
  if (!Number.isInteger(value) || value < 1 || value > 1e6)
    throw argument(`${what} is not usable`, "a whole number from 1", described(value));
  return value;
}
