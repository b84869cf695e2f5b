import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { PNG } from "pngjs";
import { init, Model, SepconvError, startWorker } from "sepconv";
import { mobilenetV1 } from "../demo/mobilenet.js";

const picture = PNG.sync.read(readFileSync(new URL("../../../examples/chelsea.png", import.meta.url)));
const network = readFileSync(new URL("../pkg/cifar10.onnx", import.meta.url));
const data = process.env.SEPCONV_DATA;
const separable = mobilenetV1({ size: 32, width: 0.25 });
let model;

before(async () => {
  await init();
  model = await Model.builtIn();
});

/** Checks that a call fails with an error that has these parts. */
async function fails(call, message, parts = {}) {
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => assert.fail("it did not fail"),
      (error) => error,
    );
  assert(error instanceof SepconvError, error.stack);
  assert.match(error.message, message);
  for (const [key, value] of Object.entries(parts)) assert.equal(error[key], value);
}

test("an image is classified, of RGBA, RGB and a buffer", () => {
  const [cat, ...others] = model.classify(picture);
  assert.equal(cat.label, "cat");
  assert.equal(cat.class, 3);
  assert.equal(others.length, 4);
  const rgb = new Uint8Array(picture.width * picture.height * 3);
  for (let i = 0; i < picture.width * picture.height; i++) rgb.set(picture.data.subarray(4 * i, 4 * i + 3), 3 * i);
  const { width, height } = picture;
  assert.deepEqual(model.classify({ data: rgb, width, height }, { top: 1 }), [cat]);
  assert.deepEqual(model.classify({ data: rgb.buffer, width, height }, { top: 1 }), [cat]);
});

test("what is known of a model is plain", () => {
  const { info } = model;
  assert.deepEqual(structuredClone(info), JSON.parse(JSON.stringify(info)));
  assert.equal(info.format, "onnx");
  assert.equal(info.bytes, network.length);
  assert.deepEqual(info.image, { width: 32, height: 32, channels: 3 });
  assert.equal(info.labels[3], "cat");
  assert.equal(info.inputs.length, 1);
  assert.equal(info.inputs[0].type, "f32");
  assert(info.macs > 1e6 && info.parameters > 1e5);
});

test("tensors go in and out, and give what classifying gives", () => {
  const tensor = model.imageTensor(picture);
  const outputs = model.run({ [model.info.inputs[0].name]: tensor });
  const [{ name, shape }] = model.info.outputs;
  assert.deepEqual(outputs[name].shape, shape);
  const scores = [...outputs[name].data];
  const exponents = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const sum = exponents.reduce((a, b) => a + b);
  const [cat] = model.classify(picture, { top: 1 });
  assert.equal(scores.indexOf(Math.max(...scores)), cat.output);
  assert(Math.abs(Math.max(...exponents) / sum - cat.score) < 1e-5);
});

test("layers, profile and comparison are plain and add up", async () => {
  const other = new Model(separable);
  const layers = other.layers();
  // Of 32x32 pixels one is left at the end, where most of a window sees padding only: layers do less than the network.
  const macs = layers.reduce((sum, layer) => sum + layer.macs, 0);
  assert(macs < other.info.macs && macs > 0.99 * other.info.macs, `${macs} of ${other.info.macs}`);
  const profile = other.profile({ runs: 3 });
  assert.equal(profile.runs.length, 3);
  assert.equal(profile.blocks.flatMap((block) => block.layers).length, layers.length);
  assert(profile.steps.every(({ ms }) => ms >= 0) && profile.medianMs >= profile.minMs);
  const told = [];
  const comparison = other.compare({ rounds: 2, onProgress: ({ done, total }) => void told.push([done, total]) });
  assert.deepEqual(told, [
    [0, 2],
    [1, 2],
    [2, 2],
  ]);
  assert(comparison.pairs.length === 13 && comparison.network.theoreticalSpeedup > 1);
  assert.deepEqual(structuredClone(comparison), JSON.parse(JSON.stringify(comparison)));
  await fails(() => other.compare({ rounds: 50, onProgress: () => false }), /cancelled/, { kind: "cancelled" });
  await fails(() => model.compare(), /network is quantized/, { kind: "unsupported" });
});

test("errors say what was passed", async () => {
  const input = model.info.inputs[0].name;
  const argument = { kind: "argument" };
  await fails(() => model.classify(null), /expected ImageData.* got null\n.*help: .*canvas/, argument);
  await fails(() => model.classify("cat.png"), /got "cat.png"/, argument);
  await fails(
    () => model.classify({ data: new Float32Array(3), width: 1, height: 1 }),
    /got data Float32Array\(3\)/,
    argument,
  );
  await fails(
    () => model.classify({ data: new Uint8Array(3), width: 2, height: 2 }),
    /16 bytes \(RGBA\).* got 3/,
    argument,
  );
  await fails(() => model.classify({ data: new Uint8Array(4), width: 1.5, height: 1 }), /got 1.5 x 1/, argument);
  await fails(
    () => model.classify(picture, { top: 0 }),
    /top is not usable\n.*expected a whole number from 1, got 0/,
    argument,
  );
  await fails(() => model.run(new Float32Array(3)), /tensors by name \("input"\), got Float32Array\(3\)/, argument);
  await fails(() => model.run({}), /input "input" is missing/, argument);
  await fails(
    () => model.run({ [input]: { data: [1, 2] } }),
    /expected Float32Array for type f32, got Array\(2\)/,
    argument,
  );
  await fails(
    () => model.run({ image: { data: new Float32Array(1) } }),
    /no input of this name\n.*expected "input", got "image"/,
    argument,
  );
  await fails(() => model.run({ [input]: { data: new Float32Array(1) } }), /expected 3072 elements.* got 1/, argument);
  await fails(
    () => model.run({ [input]: { data: new Float32Array(3072), shape: [1, 32, 32, 3] } }),
    /expected \[1,3,32,32\], got \[1,32,32,3\]/,
  );
  await fails(() => new Model("network.onnx"), /got "network.onnx"/, argument);
  await fails(() => new Model(network, { preprocess: "caffe" }), /"caffe"/, argument);
  await fails(() => new Model(network, { labels: 7 }), /labels are not usable\n.* got 7/, argument);
  await fails(() => new Model(network, { labels: ["one"] }).classify(picture), /10|labels/);
});

test("broken files are refused, with their name and what is wrong", async () => {
  await fails(() => new Model(new Uint8Array(0), { name: "empty.onnx" }), /empty\.onnx/, {
    kind: "malformed",
    file: "empty.onnx",
  });
  await fails(() => new Model(network.subarray(0, 1000), { name: "cut.onnx" }), /cut\.onnx/, {
    kind: "malformed",
    file: "cut.onnx",
  });
  await fails(() => new Model(picture.data), /model/, { kind: "malformed" });
  await fails(() => Model.load("missing.onnx"), /missing\.onnx: cannot be read: ENOENT/, { kind: "io" });
  await fails(() => Model.load(7), /got 7/, { kind: "argument" });
});

test("disposing is safe, twice and before another call", async () => {
  const short = new Model(network, { name: "short.onnx" });
  assert.equal(short.classify(picture)[0].label, "cat");
  short.dispose();
  short.free();
  short[Symbol.dispose]?.();
  assert.equal(short.info.name, "short.onnx");
  await fails(() => short.classify(picture), /short\.onnx: model was disposed of/, { kind: "argument" });
});

test("a model is fetched, with progress", async () => {
  const server = createServer(({ url }, response) => {
    response.statusCode = url === "/net.onnx" ? 200 : 404;
    if (url === "/net.onnx") response.setHeader("content-length", network.length).end(network);
    else response.end();
  }).listen(0);
  after(() => server.close());
  await once(server, "listening");
  const base = `http://127.0.0.1:${server.address().port}`;
  const told = [];
  const fetched = await Model.load(`${base}/net.onnx`, { onProgress: (progress) => told.push(progress) });
  assert.equal(fetched.info.name, "net.onnx");
  assert.deepEqual(told.at(-1), { loaded: network.length, total: network.length });
  await fails(() => Model.load(`${base}/other.onnx`), /other\.onnx: cannot be fetched: 404/, { kind: "io" });
  for (const source of [
    new Blob([network]),
    network.buffer.slice(network.byteOffset, network.byteOffset + network.length),
    new Response(network),
  ]) {
    assert.equal((await Model.load(source)).classify(picture)[0].label, "cat");
  }
});

test("a worker answers as a model does", async () => {
  const worker = await startWorker();
  after(() => worker.dispose());
  const remote = await worker.builtIn();
  assert.deepEqual(remote.info, model.info);
  assert.deepEqual(await remote.classify(picture), model.classify(picture));
  const tensor = await remote.imageTensor(picture);
  assert.deepEqual(tensor, model.imageTensor(picture));
  const inputs = { [model.info.inputs[0].name]: tensor };
  assert.deepEqual(await remote.run(inputs), model.run(inputs));
  assert.deepEqual(await remote.layers(), model.layers());
  assert.equal((await remote.profile({ runs: 2 })).runs.length, 2);
  const told = [];
  const other = await worker.load(separable);
  await other.compare({ rounds: 1, onProgress: (progress) => told.push(progress) });
  assert.deepEqual(told.at(-1), { done: 1, total: 1 });
  await fails(() => worker.load(network.subarray(0, 99), { name: "cut.onnx" }), /cut\.onnx/, {
    kind: "malformed",
    file: "cut.onnx",
  });
  await fails(() => remote.classify({ data: new Uint8Array(1), width: 1, height: 1 }), /got 1/, { kind: "argument" });
  await remote.reset();
  await remote.dispose();
  await remote.dispose();
  await fails(() => remote.classify(picture), /disposed/, { kind: "argument" });
  const waiting = other.compare({ rounds: 1e5 });
  worker.dispose();
  worker.dispose();
  await fails(() => waiting, /disposed/, { kind: "cancelled" });
  await fails(() => worker.load(network), /disposed/, { kind: "argument" });
});

test("the small module gives such answers and says what it lacks", async () => {
  const worker = await startWorker({ module: "small" });
  after(() => worker.dispose());
  const small = await worker.builtIn();
  // It runs the int8 network in f32.
  const [[cat], [expected]] = [await small.classify(picture), model.classify(picture)];
  assert.equal(cat.label, "cat");
  assert(Math.abs(cat.score - expected.score) < 0.02);
  for (const measure of ["layers", "profile", "compare"]) {
    await fails(() => small[measure](), /measures no layers\n.*help: .*full/, { kind: "unsupported" });
  }
  await fails(() => worker.load(new TextEncoder().encode("\x1c\0\0\0TFL3".padEnd(64, "\0"))), /TensorFlow Lite/, {
    kind: "unsupported",
  });
  worker.dispose();
  await fails(() => startWorker({ module: "tiny" }), /full, small.* got "tiny"/, { kind: "argument" });
});

test(
  "files of networks tell a flower, in f32 and int8",
  { skip: !existsSync(`${data}/models`) && "there is no SEPCONV_DATA" },
  async () => {
    const flower = PNG.sync.read(readFileSync(new URL("../../../examples/daisy.png", import.meta.url)));
    const labels = readFileSync(`${data}/images/imagenet1000_synsets.txt`, "utf8");
    for (const module of ["small", "full"]) {
      const worker = await startWorker({ module });
      after(() => worker.dispose());
      for (const file of ["mobilenet_v2_1.0_224_f32", "mobilenet_v2_1.0_224_qdq"]) {
        const remote = await worker.load(`${data}/models/onnx/${file}.onnx`, { labels, preprocess: "128/128" });
        const [daisy] = await remote.classify(flower);
        assert.match(daisy.label, /daisy/);
      }
    }
  },
);
