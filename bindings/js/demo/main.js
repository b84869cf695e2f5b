import { startWorker } from "../lib/index.js";
import { drawComparison } from "./comparison.js";
import { element, table } from "./elements.js";
import { mobilenetV1 } from "./mobilenet.js";

const SAMPLE = new URL("../pkg/cat.png", import.meta.url);

const at = (id) => document.getElementById(id);
const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const millions = (value) => `${number(value / 1e6, 2)} M`;

/** What the page works with. */
const page = { worker: undefined, model: undefined, image: undefined, labels: undefined, busy: Promise.resolve() };

function say(text, isWrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", isWrong);
}

/** Does one thing after the other; what goes wrong is said. */
function then(doing, work) {
  page.busy = page.busy.then(async () => {
    say(`${doing}…`);
    document.body.setAttribute("aria-busy", "true");
    try {
      say((await work()) ?? "Ready.");
    } catch (error) {
      say(error.message, true);
    } finally {
      document.body.removeAttribute("aria-busy");
    }
  });
  return page.busy;
}

const measures = ["profile", "compare", "layers"];

async function use(load) {
  const model = await load();
  await page.model?.dispose();
  page.model = model;
  measures.forEach((id) => (at(id).disabled = false));
  for (const id of ["blocks", "comparison", "layer-list"]) at(id).replaceChildren();
  showFacts(model.info);
  return page.image && model.info.image ? classify() : `${model.info.name} is ready.`;
}

function loaded({ loaded, total }) {
  say(`Loading: ${number(loaded / 1e6, 1)}${total ? ` of ${number(total / 1e6, 1)}` : ""} MB…`);
}

function modelOptions() {
  const preprocess = at("preprocess").value.trim();
  return { onProgress: loaded, labels: page.labels, ...(preprocess && { preprocess }) };
}

const loadBuiltIn = () =>
  then("Loading the built-in network", () => use(() => page.worker.builtIn({ onProgress: loaded })));
const loadRandom = () =>
  then("Making a network", () => {
    return use(() =>
      page.worker.load(mobilenetV1({ size: 128, width: 0.5 }), { name: "MobileNetV1 0.5, 128 x 128, random weights" }),
    );
  });
const loadFile = (file) => then(`Loading ${file.name}`, () => use(() => page.worker.load(file, modelOptions())));

function showFacts(info) {
  const sizes = (ports) => ports.map(({ name, shape, type }) => `${name} ${type} [${shape.join(", ")}]`).join("; ");
  const facts = {
    Name: info.name,
    File: `${number(info.bytes / 1e6, 2)} MB`,
    Parameters: millions(info.parameters),
    "Multiply-adds": millions(info.macs),
    Input: sizes(info.inputs),
    Output: sizes(info.outputs),
    "Pre-processing": info.preprocess
      ? `${info.preprocess.formula} (${info.preprocess.source})`
      : "none: it takes no image",
    Labels: info.labels.length ? number(info.labels.length) : "none",
  };
  at("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, fact]) => [element("dt", {}, name), element("dd", {}, fact)]),
  );
}

/** Draws a picture and keeps its pixels. */
async function show(blob, name) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => {
    throw new Error(`${name}: this browser cannot read it as a picture`);
  });
  const canvas = at("picture");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.setAttribute("aria-label", name);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  page.image = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return page.model ? classify() : "Choose a network.";
}

const showFile = (file) => then(`Reading ${file.name}`, () => show(file, file.name));
const showSample = () => then("Reading the picture", async () => show(await (await fetch(SAMPLE)).blob(), "A cat"));

async function classify() {
  at("answers").replaceChildren();
  at("time").textContent = "";
  // The first call makes the network ready.
  await page.model.classify(page.image);
  const start = performance.now();
  const answers = await page.model.classify(page.image);
  at("time").textContent = `${number(performance.now() - start, 1)} ms, resizing included`;
  const line = ({ label, class: index, score }) => {
    const bar = element("span", { className: "bar", ariaHidden: "true" });
    bar.style.width = `${100 * score}%`;
    return element(
      "li",
      {},
      element("span", {}, label ?? `class ${index}`),
      element("span", {}, `${number(100 * score, 1)} %`),
      bar,
    );
  };
  at("answers").replaceChildren(...answers.map(line));
  return `Most likely: ${answers[0].label ?? `class ${answers[0].class}`}.`;
}

async function profile() {
  const { blocks, medianMs, ioMs } = await page.model.profile();
  const longest = Math.max(...blocks.map(({ ms }) => ms));
  const rows = blocks.map(({ block, layers, ms, macs }) => {
    const bar = element("span", { className: "bar", ariaHidden: "true" });
    bar.style.width = `${(100 * ms) / longest}%`;
    const name = block
      ? `${block.number}: ${block.kind}`
      : layers.length > 1
        ? `${layers[0]} … ${layers.at(-1)}`
        : layers[0];
    return [name, number(layers.length), millions(macs), number(ms, 3), bar];
  });
  at("blocks").replaceChildren(
    table("Milliseconds per block", ["Block", "Layers#", "Multiply-adds#", "ms#", "Share"], rows),
  );
  return `${number(medianMs, 2)} ms a run, ${number(ioMs, 2)} of it for copying.`;
}

async function compare() {
  const progress = at("compare-progress");
  progress.hidden = false;
  try {
    const onProgress = ({ done, total }) => Object.assign(progress, { max: total, value: done });
    const comparison = await page.model.compare({ onProgress });
    at("comparison").replaceChildren(...drawComparison(comparison));
    const { theoreticalSpeedup, measuredSpeedup } = comparison.network;
    return `Promised: ${number(theoreticalSpeedup, 2)} times; delivered: ${number(measuredSpeedup, 2)} times.`;
  } finally {
    progress.hidden = true;
  }
}

async function listLayers() {
  const layers = await page.model.layers();
  const rows = layers.map(({ name, op, output, macs, kernel, reason }) => [
    name,
    op,
    output.join(" × "),
    millions(macs),
    kernel,
    reason,
  ]);
  at("layer-list").replaceChildren(
    table("Layers", ["Name", "Operator", "Output", "Multiply-adds#", "Kernel", "Reason"], rows),
  );
  return `${layers.length} layers.`;
}

function chosen(id, use) {
  at(id).addEventListener("change", ({ target }) => target.files[0] && use(target.files[0]));
  // The same file may be chosen again.
  at(id).addEventListener("click", ({ target }) => (target.value = ""));
}

function open(file) {
  return file.type.startsWith("image/") ? showFile(file) : loadFile(file);
}

at("built-in").addEventListener("click", loadBuiltIn);
at("random").addEventListener("click", loadRandom);
at("sample").addEventListener("click", showSample);
at("profile").addEventListener("click", () => then("Measuring blocks", profile));
at("compare").addEventListener("click", () => then("Comparing; large networks take a while", compare));
at("layers").addEventListener("click", () => then("Listing layers", listLayers));
chosen("model-file", loadFile);
chosen("picture-file", showFile);
chosen("labels-file", (file) =>
  then(`Reading ${file.name}`, async () => {
    page.labels = await file.text();
    return `${file.name}: labels of the next network.`;
  }),
);

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  for (const file of event.dataTransfer.files) open(file);
});

if (!globalThis.crossOriginIsolated)
  at("clock").textContent = "This server does not isolate the page: its clock steps by 0.1 ms.";

then("Starting", async () => {
  page.worker = await startWorker();
  return use(() => page.worker.builtIn({ onProgress: loaded }));
});
