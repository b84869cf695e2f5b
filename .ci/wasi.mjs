// Runs a WebAssembly program as Node.js runs its own: node wasi.mjs PROGRAM ARGUMENTS. It sees all files and the whole environment.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [path, ...rest] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [path, ...rest], env: process.env, preopens: { "/": "/" } });
// Called directly, functions of Node.js 20 use the memory where it was before it grew, and crash. Through another they do not.
const indirect = Object.entries(wasi.wasiImport).map(([name, call]) => [name, (...values) => call(...values)]);
const imports = { wasi_snapshot_preview1: Object.fromEntries(indirect) };
const { instance } = await WebAssembly.instantiate(await readFile(path), imports);
process.exitCode = wasi.start(instance);
