// sepconv beside onnxruntime-web in one page of headless Chromium, one thread each, in turns:
//     node bench/browser.mjs [--runs N] [--rounds N] [--module small] MODEL.onnx...
// Needs `npm install` and `npm run build` in bindings/js, and Chromium (CHROMIUM names it). README.md says how to read it.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { serve } from "../bindings/js/demo/serve.mjs";

const PEER = "onnxruntime-web@1.30.0";
const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));
const { chromium } = createRequire(join(REPOSITORY, "bindings/js/package.json"))("playwright-core");

const { values, positionals: models } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    rounds: { type: "string", default: "10" },
    module: { type: "string", default: "full" },
  },
  allowPositionals: true,
});
if (models.length === 0)
  throw new Error("usage: node bench/browser.mjs [--runs N] [--rounds N] [--module small] MODEL.onnx...");

// One folder with everything that the page fetches.
const site = join(REPOSITORY, "target/bench/browser");
mkdirSync(join(site, "models"), { recursive: true });
execFileSync("npm", ["install", "--silent", "--no-fund", "--no-audit", "--no-package-lock", "--prefix", site, PEER], {
  stdio: "inherit",
});
const links = { sepconv: join(REPOSITORY, "bindings/js"), ort: join(site, "node_modules/onnxruntime-web/dist") };
for (const model of models) links[`models/${basename(model)}`] = resolve(model);
for (const [name, target] of Object.entries(links)) {
  rmSync(join(site, name), { force: true });
  symlinkSync(target, join(site, name));
}
writeFileSync(join(site, "index.html"), "<!doctype html><title>bench</title>");

/** In the page: times both engines on one model, and says what each fetched beside it. */
async function measure({ url, runs, rounds, module }) {
  const { init, Model } = await import("/sepconv/lib/index.js");
  await init({ module });
  const model = await Model.load(url);
  const [input] = model.info.inputs;
  const elements = input.shape.reduce((a, b) => a * b);
  const data = Float32Array.from({ length: elements }, (_, i) => ((i * 0.61803398875) % 1) * 2 - 1);
  const ours = { [input.name]: { data } };

  const ort = await import("/ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/ort/";
  const session = await ort.InferenceSession.create(url, { executionProviders: ["wasm"] });
  const theirs = { [session.inputNames[0]]: new ort.Tensor("float32", data, input.shape) };

  const engines = {
    sepconv: { run: async () => Object.values(model.run(ours))[0].data, times: [] },
    "onnxruntime-web": { run: async () => Object.values(await session.run(theirs))[0].data, times: [] },
  };
  for (const engine of Object.values(engines)) engine.output = await engine.run();
  for (let round = 0; round < rounds; round++) {
    for (const { run, times } of Object.values(engines)) {
      for (let i = 0; i < runs; i++) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
    }
  }
  const [a, b] = Object.values(engines).map(({ output }) => output);
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return {
    times: Object.fromEntries(Object.entries(engines).map(([name, { times }]) => [name, times.sort((x, y) => x - y)])),
    cosine: dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
    fetched: performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname),
  };
}

const server = await serve(0, site);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
console.log(
  `Chromium ${browser.version()}, ${PEER}, one thread, ${values.rounds} rounds of ${values.runs} runs; milliseconds: minimum / median`,
);
try {
  for (const model of models) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const options = {
      url: `/models/${basename(model)}`,
      runs: Number(values.runs),
      rounds: Number(values.rounds),
      module: values.module,
    };
    const { times, cosine, fetched } = await page.evaluate(measure, options);
    await page.close();
    console.log(`\n${basename(model)}`);
    const minAndMedian = ([...sorted]) => [sorted[0], sorted[sorted.length >> 1]];
    for (const [name, sorted] of Object.entries(times)) {
      const own = fetched.filter((path) => path.startsWith(name === "sepconv" ? "/sepconv/" : "/ort/"));
      const bodies = own.map((path) => readFileSync(join(site, path)));
      const total = (files) => files.reduce((sum, file) => sum + file.length, 0);
      const compressed = total(bodies.map((body) => gzipSync(body, { level: 9 })));
      const [min, median] = minAndMedian(sorted).map((ms) => ms.toFixed(2));
      console.log(
        `  ${name.padEnd(16)} ${min} / ${median}; ${own.length} files, ${total(bodies)} bytes, ${compressed} by gzip -9`,
      );
    }
    const [ours, theirs] = Object.values(times).map(minAndMedian);
    const [min, median] = ours.map((ms, i) => (ms / theirs[i]).toFixed(2));
    console.log(`  time over onnxruntime-web's: ${min} / ${median}; cosine of outputs: ${cosine.toFixed(5)}`);
  }
} finally {
  await browser.close();
  server.close();
}
