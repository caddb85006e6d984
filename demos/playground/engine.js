/* engine.js - the engine: WebAssembly that answers requests (play.h).

   Invariant: a request is lines of text, so no argument has a line break in it. The engine asks
   its host for nothing but memory: it writes no file, reads no clock, and a failed assertion ends
   in an error here. */

const bytesOf = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0));

/* The compiled module from what stands in the page: base64 of gzip. */
export async function compileEngine(base64) {
  const unzipped = new Blob([bytesOf(base64.trim())])
    .stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compile(await new Response(unzipped).arrayBuffer());
}

/* What the C library imports and a page does not have: answers as of a system without files. */
function hostOf(module) {
  const NO_SUCH = 44,
    BAD_FILE = 8,
    none = () => NO_SUCH;
  const host = {};
  const own = {
    proc_exit(status) {
      throw new Error("the engine stopped with status " + status);
    },
    fd_write: () => BAD_FILE,
    fd_read: () => BAD_FILE,
    fd_close: () => 0,
    fd_seek: () => BAD_FILE,
    emscripten_notify_memory_growth() {},
    environ_sizes_get(count, size) {
      host.zero(count);
      host.zero(size);
      return 0;
    },
    environ_get: () => 0,
  };
  for (const { module: space, name } of WebAssembly.Module.imports(module))
    (host.imports ??= {})[space] = { ...host.imports?.[space], [name]: own[name] || none };
  return host;
}

export class Engine {
  constructor(module) {
    this.module = module;
    this.begin();
  }
  /* A new instance: at the start, and after one that has stopped. */
  begin() {
    const host = hostOf(this.module);
    const exports = new WebAssembly.Instance(this.module, host.imports || {}).exports;
    host.zero = at => new DataView(exports.memory.buffer).setUint32(at, 0, true);
    exports._initialize?.();
    this.exports = exports;
  }

  /* The answer's text. A field is text, a number, or an array of numbers; undefined: it is left
     out. */
  askText(command, fields = {}) {
    const line = value =>
      Array.isArray(value) || ArrayBuffer.isView(value)
        ? Array.from(value, String).join(" ")
        : String(value).replace(/[\u0000-\u001f\u007f]/g, " ");
    const text = [
      command,
      ...Object.entries(fields)
        .filter(([, v]) => v !== undefined && v !== null)
        .map(([key, value]) => key + " " + line(value)),
    ].join("\n");
    return this.answer(text);
  }
  answer(request) {
    try {
      return this.answerOf(request);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      this.begin();
      throw new Error("The engine stopped at this, and was started anew: " + error.message);
    }
  }
  answerOf(request) {
    const bytes = new TextEncoder().encode(request),
      { play_room, play, play_length, memory } = this.exports;
    const room = play_room(bytes.length);
    if (room === 0) throw new Error("the engine has no memory left");
    const into = new Uint8Array(memory.buffer, room, bytes.length + 1);
    into.set(bytes);
    into[bytes.length] = 0;
    const at = play();
    if (at === 0) throw new Error("the engine has no memory left");
    return new TextDecoder().decode(new Uint8Array(memory.buffer, at, play_length()));
  }

  /* The answer as an object; one with `error`, a sentence, if the request cannot be met. */
  ask(command, fields) {
    return JSON.parse(this.askText(command, fields));
  }

  /* `n` numbers at an address of the engine, as a view: valid until the next request. */
  doubles(at, n) {
    return new Float64Array(this.exports.memory.buffer, at, n);
  }
}
