import { argument, described, SepconvError } from "./errors.js";

/** Reads `file:` URLs, where there is a file system. */
let readFile;

/** Says how files are read: Node.js cannot fetch them. */
export function readFilesWith(read) {
  readFile = read;
}

const lastPart = (url) => decodeURIComponent(new URL(url, "file:///").pathname.split("/").pop()) || "model";

function unreadable(file, reason, help) {
  return new SepconvError({ message: `${file}: cannot be fetched: ${reason}`, kind: "io", file, help });
}

/** The body of a response, with progress on the way. */
async function body(response, name, onProgress) {
  if (!response.ok) throw unreadable(name, `${response.status} ${response.statusText}`.trim());
  if (!onProgress || !response.body) return new Uint8Array(await response.arrayBuffer());
  // A length is that of what is sent, which may be compressed.
  const stated = response.headers.get("content-encoding") ? 0 : Number(response.headers.get("content-length"));
  const total = stated > 0 ? stated : null;
  const chunks = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    loaded += value.length;
    onProgress({ loaded, total });
  }
  const bytes = new Uint8Array(loaded);
  chunks.reduce((offset, chunk) => (bytes.set(chunk, offset), offset + chunk.length), 0);
  return bytes;
}

async function fetched(request, name, { onProgress, signal }) {
  try {
    return await body(await fetch(request, { signal }), name, onProgress);
  } catch (error) {
    if (error instanceof SepconvError || signal?.aborted) throw error;
    throw unreadable(
      name,
      error.message,
      "is the address right, and does its server allow this page to read it (CORS)?",
    );
  }
}

/**
 * The bytes of a model and its name.
 * @param source an address, a `Request`, a `Response`, a `Blob` or `File`, an `ArrayBuffer` or a view of one
 */
export async function read(source, options = {}) {
  if (typeof source === "string" || source instanceof URL) {
    const url =
      source instanceof URL
        ? source
        : new URL(source, globalThis.document?.baseURI ?? globalThis.location?.href ?? "file:///");
    if (url.protocol === "file:" && readFile) return { bytes: await readFile(source), name: lastPart(url) };
    return { bytes: await fetched(url, lastPart(url), options), name: lastPart(url) };
  }
  if (source instanceof Request)
    return { bytes: await fetched(source, lastPart(source.url), options), name: lastPart(source.url) };
  if (source instanceof Response) {
    const name = lastPart(source.url || "model");
    return { bytes: await body(source, name, options.onProgress), name };
  }
  if (source instanceof Blob)
    return { bytes: new Uint8Array(await source.arrayBuffer()), name: source.name ?? "model" };
  return { bytes: bytesOf(source), name: "model" };
}

/** The bytes of a buffer or a view of one. */
export function bytesOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw argument(
    "model is not usable",
    "an address, a Request, a Response, a Blob or the bytes of a file",
    described(source),
  );
}
