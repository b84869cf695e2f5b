// What a picture shows, under Node.js: node classify.mjs MODEL PICTURE [PREPROCESS [LABELS]]
// README.md says how pkg/ is made.
import { readFileSync } from "node:fs";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { Classifier, initSync } from "../pkg/sepconv.js";

const RUNS = 20;

const [model, picture, preprocess, labels] = process.argv.slice(2);
if (!picture) {
  console.error("usage: classify.mjs MODEL PICTURE [PREPROCESS [LABELS]]");
  process.exit(2);
}

initSync({ module: readFileSync(new URL("../pkg/sepconv_bg.wasm", import.meta.url)) });
const classifier = new Classifier(readFileSync(model), preprocess, labels && readFileSync(labels, "utf8"));

// A browser has these from `getImageData`.
const bytes = readFileSync(picture);
const { data, width, height } = bytes[0] === 0x89 ? PNG.sync.read(bytes) : jpeg.decode(bytes);

for (const { score, label, class: number } of classifier.classify(data, width, height, 5)) {
  console.log(`${(100 * score).toFixed(2).padStart(6)} % ${label ?? number}`);
}

const times = Array.from({ length: RUNS }, () => {
  const start = performance.now();
  classifier.classify(data, width, height, 5);
  return performance.now() - start;
}).sort((a, b) => a - b);
console.log(`${times[RUNS / 2].toFixed(1)} ms, the median of ${RUNS}; ${times[0].toFixed(1)} at least`);
