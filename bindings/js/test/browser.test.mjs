// The page in headless Chromium, by keyboard alone. SEPCONV_DATA names a folder of models, CHROMIUM the browser,
// SCREENSHOTS a folder for pictures of the page.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { serve } from "../demo/serve.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const data = process.env.SEPCONV_DATA;
const screenshots = process.env.SCREENSHOTS;
const daisy = new URL("../../../examples/daisy.png", import.meta.url).pathname;

let browser, page, server, origin, choosing;
const elsewhere = [];

before(async () => {
  server = await serve(0);
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 } });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !["blob:", "data:"].includes(url.protocol)) elsewhere.push(request.url());
  });
  page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  page.on("filechooser", (dialog) => dialog.setFiles(choosing.file).then(choosing.done, choosing.failed));
  await page.goto(`${origin}/demo/`);
  await status(/is ready\./);
});

after(async () => {
  await browser?.close();
  server?.close();
});

const said = () => page.locator("#status").textContent();

/** Waits until the page says something. */
async function status(pattern) {
  const matches = ([source, flags]) => new RegExp(source, flags).test(document.getElementById("status").textContent);
  await page.waitForFunction(matches, [pattern.source, pattern.flags], { timeout: 60_000 }).catch(async () => {
    assert.fail(`the page says ${JSON.stringify(await said())}, not ${pattern}`);
  });
}

/** Moves the focus to an element as somebody without a mouse does, forward or back; past the ends is the browser's own. */
async function tabTo(id) {
  const step = (id) => {
    const [from, to] = [document.activeElement, document.getElementById(id)];
    if (from === to) return null;
    return from.compareDocumentPosition(to) & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
  };
  for (let i = 0; i < 40; i++) {
    const key = await page.evaluate(step, id);
    if (key === null) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${id} cannot be reached by the Tab key`);
}

async function press(id) {
  await tabTo(id);
  await page.keyboard.press("Enter");
}

/** Chooses a file in the dialog that the keyboard opens. */
async function choose(id, file) {
  const chosen = new Promise((done, failed) => (choosing = { file, done, failed }));
  await press(id);
  await chosen;
}

async function isAccessible() {
  const { violations } = await page.evaluate(`${axe}; axe.run()`);
  assert.deepEqual(
    violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]),
    [],
  );
}

async function picture(name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, name), fullPage: true });
}

const answer = () => page.locator("#answers li").first().textContent();

test("the built-in network tells a cat", async () => {
  await isAccessible();
  await press("sample");
  await status(/Most likely: cat\./);
  assert.match(await answer(), /^cat\d/);
  await isAccessible();
  await picture("built-in.png");
});

test("what cannot be compared is said", async () => {
  await press("compare");
  await status(/network is quantized/);
});

test("blocks, layers and speedups are measured while the page stays responsive", async () => {
  await press("random");
  await status(/Most likely/);
  await press("profile");
  await status(/ms a run/);
  assert((await page.locator("#blocks tbody tr").count()) > 3);
  await page.evaluate(() => {
    globalThis.longest = 0;
    let last = performance.now();
    const frame = () => {
      const now = performance.now();
      globalThis.longest = Math.max(globalThis.longest, now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await press("compare");
  await status(/Promised: .* delivered: /);
  const longest = await page.evaluate(() => globalThis.longest);
  console.log(`longest time between frames while a worker compares: ${longest.toFixed(0)} ms`);
  assert(longest < 500);
  assert((await page.locator("#comparison rect.delivered").count()) > 3);
  await press("layers");
  await status(/\d+ layers\./);
  await isAccessible();
  await picture("random.png");
});

test("a broken file is refused with a message, and the page goes on", async () => {
  await choose("model-file", {
    name: "broken.onnx",
    mimeType: "",
    buffer: readFileSync(new URL("../pkg/cifar10.onnx", import.meta.url)).subarray(0, 5000),
  });
  await status(/not an ONNX model.*broken\.onnx/s);
  console.log(await said());
  await isAccessible();
  await choose("picture-file", { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await status(/broken\.png: .*cannot read it/);
  await press("built-in");
  await press("sample");
  await status(/Most likely: cat\./);
});

test(
  "a file of a network tells a flower",
  { skip: !existsSync(`${data}/models/onnx`) && "there is no SEPCONV_DATA" },
  async () => {
    await press("more");
    await tabTo("preprocess");
    await page.keyboard.type("128/128");
    await choose("labels-file", join(data, "images/imagenet1000_synsets.txt"));
    await status(/labels of the next network/);
    await choose("picture-file", daisy);
    for (const network of ["mobilenet_v2_1.0_224_qdq.onnx", "mobilenet_v2_1.0_224_f32.onnx"]) {
      await choose("model-file", join(data, "models/onnx", network));
      await status(/Most likely: .*daisy/);
      console.log(network, await answer(), await page.locator("#time").textContent());
    }
    await press("profile");
    await status(/ms a run/);
    await press("compare");
    await status(/Promised: .* delivered: /);
    console.log(await said());
    await isAccessible();
    await picture("mobilenet_v2.png");
  },
);

test("a network and a picture can be dropped", async () => {
  await page.reload();
  await status(/is ready\./);
  await page.evaluate(async () => {
    const files = new DataTransfer();
    for (const [name, type] of [
      ["cifar10.onnx", ""],
      ["cat.png", "image/png"],
    ]) {
      files.items.add(new File([await (await fetch(`/pkg/${name}`)).blob()], name, { type }));
    }
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
  });
  await status(/Most likely: cat\./);
});

test("dark colors and small screens are accessible, too", async () => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 400, height: 800 });
  await isAccessible();
  await picture("dark.png");
});

test("nothing was asked of any other server", () => assert.deepEqual(elsewhere, []));
