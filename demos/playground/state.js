/* state.js - what a reader did, kept: across a reload, in the address, in a saved copy, as a code
   to paste.

   A state is { room, rooms: { formula: {...}, ... } }: plain JSON, each room's part as that room
   gave it. A code is the part of one room: its name, a dot, and its JSON, deflated (zlib, whose
   checksum finds a code that was cut) in base64url. Invariant: nothing read here is believed: a
   room checks its part before it shows it. */

const KEY = "tapir-playground ";
const MOST = 2e6; /* characters of a code, and of what is in it */

async function through(bytes, stream) {
  return new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer(),
  );
}

export async function encode(room, part) {
  const bytes = await through(
    new TextEncoder().encode(JSON.stringify(part)),
    new CompressionStream("deflate"),
  );
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return room + "." + btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/* What a code inflates to, read piece by piece: a small code may hold gigabytes, and is refused at
   MOST bytes. */
async function inflate(bytes) {
  const reader = new Blob([bytes])
      .stream()
      .pipeThrough(new DecompressionStream("deflate"))
      .getReader(),
    pieces = [];
  for (let length = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(pieces).arrayBuffer();
    length += value.length;
    if (length > MOST) {
      reader.cancel().catch(() => {});
      throw new Error();
    }
    pieces.push(value);
  }
}

/* { room, part }; throws an Error with a sentence. A room alone, without a dot, has no part. */
export async function decode(code, rooms) {
  const [room, text] = code
    .trim()
    .replace(/^[^#]*#/, "")
    .split(".", 2);
  if (!rooms.includes(room))
    throw new Error("This is not a code of this page: it begins with none of its rooms.");
  if (text === undefined) return { room };
  try {
    if (text.length > MOST) throw new Error();
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = await inflate(Uint8Array.from(binary, c => c.charCodeAt(0)));
    const part = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof part !== "object" || part === null) throw new Error();
    return { room, part };
  } catch {
    throw new Error(
      "This link or code was cut or changed on its way: what it held cannot be read. The page " +
        "shows what it showed before.",
    );
  }
}

/* The page's own text before anything was drawn, for copies of it. */
const original = document.documentElement.outerHTML;

/* The whole page as a file, which opens with `state`. */
export function copyOfPage(state) {
  const json = JSON.stringify(state).replace(/</g, "\\u003c");
  return (
    "<!DOCTYPE html>\n" +
    original.replace(
      /(<script type="application\/json" id="saved">)[^<]*/,
      (_, tag) => tag + json,
    ) +
    "\n"
  );
}

/* A browser may refuse storage: then the page works, and forgets. The place of this very file
   comes first, so that a copy does not show what another did; a tab keeps its own, and a new one
   begins with the last. */
const stores = () => [() => sessionStorage, () => localStorage];
export function remember(state) {
  let kept = false;
  for (const store of stores()) {
    try {
      store().setItem(KEY + location.pathname, JSON.stringify(state));
      kept = true;
    } catch {
      /* refused or full */
    }
  }
  return kept;
}
export function recall() {
  const read = text => {
    try {
      const s = JSON.parse(text);
      return s && typeof s.rooms === "object" && s.rooms ? s : null;
    } catch {
      return null;
    }
  };
  const from = store => {
    try {
      return read(store().getItem(KEY + location.pathname));
    } catch {
      return null;
    }
  };
  const [session, local] = stores();
  return from(session) || read(document.getElementById("saved").textContent) || from(local);
}
