// Builds `pkg/`: the WebAssembly modules and the JavaScript that calls them. README.md says what it needs; it installs
// the program `wasm-bindgen` itself, in the workspace's `target/`.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const pkg = join(here, "pkg");

/** What each module can do, as features of the crate; the last has everything, and its JavaScript calls the others, too. */
const MODULES = { "sepconv-small": "", sepconv: "int8,measure,tflite" };

/** The stack is at the bottom of memory, so that nothing has an address below 1024. */
const INSTRUCTIONS = [
  "simd",
  "bulk-memory",
  "nontrapping-float-to-int",
  "sign-ext",
  "mutable-globals",
  "multivalue",
  "reference-types",
];
const OPTIMIZE = [
  "--low-memory-unused",
  "--gufa-optimizing",
  "--flatten",
  "--rereloop",
  "-Oz",
  "-Oz",
  ...INSTRUCTIONS.map((name) => `--enable-${name}`),
];

function run(program, ...args) {
  return execFileSync(program, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** Flags for a standard library that is built for size, without messages of panics; nothing where its source is missing. */
function smallest() {
  const source = join(run("rustc", "--print", "sysroot").trim(), "lib/rustlib/src/rust/library/std/Cargo.toml");
  if (existsSync(source)) {
    // Only an unstable compiler can do this; the variable makes one of any.
    process.env.RUSTC_BOOTSTRAP = "1";
    process.env.RUSTFLAGS = "-C target-feature=+simd128 -Zunstable-options -C panic=immediate-abort";
    return ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];
  }
  console.warn(
    "the standard library's source is missing (rustup component add rust-src): modules are larger without it",
  );
  process.env.RUSTFLAGS = "-C target-feature=+simd128";
  return [];
}

/** The program `wasm-bindgen` of the version that the crate is built with. */
function wasmBindgen() {
  const version = readFileSync(join(root, "Cargo.lock"), "utf8").match(/name = "wasm-bindgen"\nversion = "(.*)"/)[1];
  const tools = join(root, "target/tools");
  const program = join(tools, "bin/wasm-bindgen");
  if (!existsSync(program) || run(program, "--version").trim() !== `wasm-bindgen ${version}`) {
    const where = ["--root", tools, "--target-dir", join(tools, "build")];
    const quick = ["--debug", "--config", "profile.dev.debug=false"];
    run(
      "cargo",
      "install",
      "--quiet",
      ...quick,
      "--no-default-features",
      ...where,
      "wasm-bindgen-cli",
      "--version",
      `=${version}`,
    );
  }
  return program;
}

const bindgen = wasmBindgen();
const flags = [
  "--target",
  "wasm32-unknown-unknown",
  "--locked",
  "--profile",
  "module",
  "-p",
  "sepconv-wasm",
  ...smallest(),
];
rmSync(pkg, { recursive: true, force: true });
mkdirSync(pkg, { recursive: true });
for (const [name, features] of Object.entries(MODULES)) {
  run("cargo", "build", ...flags, "--no-default-features", "--features", features);
  const made = join(target, "wasm32-unknown-unknown/module/sepconv_wasm.wasm");
  const sections = ["--remove-name-section", "--remove-producers-section"];
  run(
    bindgen,
    "--target",
    "web",
    "--no-typescript",
    "--omit-default-module-path",
    ...sections,
    "--out-name",
    "sepconv",
    "--out-dir",
    pkg,
    made,
  );
  const [bound, optimized] = [join(pkg, "sepconv_bg.wasm"), join(pkg, `${name}.wasm`)];
  run(process.execPath, join(here, "node_modules/.bin/wasm-opt"), ...OPTIMIZE, bound, "-o", optimized);
  rmSync(bound);
  const bytes = readFileSync(optimized);
  console.log(`${name}.wasm: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} compressed`);
}
copyFileSync(join(root, "crates/sepconv/models/cifar10.onnx"), join(pkg, "cifar10.onnx"));
copyFileSync(join(root, "examples/chelsea.png"), join(pkg, "cat.png"));
