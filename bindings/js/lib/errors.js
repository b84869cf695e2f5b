/** What went wrong, where, and what to do. The message has all of it, the properties its parts. */
export class SepconvError extends Error {
  /** @param {object} parts the message, `kind` and whatever else is known */
  constructor({ message, ...parts }) {
    super(message);
    this.name = "SepconvError";
    Object.assign(this, parts);
  }

  /** A plain object: JSON and structured clones of errors lose their properties. */
  toJSON() {
    return { message: this.message, ...this, name: undefined };
  }
}

/** An argument that cannot be used: what it must be, and what was passed. Laid out as the engine's own errors are. */
export function argument(what, expected, got, help) {
  const message = `${what}\n   = expected ${expected}, got ${got}${help ? `\n   = help: ${help}` : ""}`;
  return new SepconvError({ message, kind: "argument", expected: `${expected}`, got: `${got}`, help });
}

/** Calls into WebAssembly, with what it throws as an error. */
export function native(call) {
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError) {
      const message = `WebAssembly stopped (${thrown.message}): memory is exhausted, or this is a bug of sepconv`;
      throw new SepconvError({ message, kind: "limit", help: "load it again, with smaller inputs or in a new worker" });
    }
    throw thrown instanceof Error ? thrown : new SepconvError(thrown);
  }
}

/** What a value is, for people. */
export function described(value) {
  if (value === null || value === undefined || typeof value === "boolean" || typeof value === "number")
    return `${value}`;
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = value.constructor?.name ?? "Object";
  const length = value.length ?? value.byteLength;
  return length === undefined ? `an object ${name}` : `${name}(${length})`;
}
