/* main.js - the frame of the page: opens rooms, keeps their states, sends keys to the room that is
   shown.

   A room is an object
     name, title     "formula", "A formula"
     mount(root, page)  builds itself inside root, once
     load(part)      shows a state, {} for the first; throws an Error with a sentence if it
                     cannot, and then still shows what it showed before
     part()          its state as plain JSON, small: what differs from {} alone
     key(event)      true if the key was for it                                        (optional)
     leave(), enter()   it is hidden, shown again                                      (optional)
     exports()       [{ label, file, type, make }], make returns or promises text
                     or a Blob                                                         (optional)
   and `page` gives it
     engine, compiled   the engine, and its module for a worker
     changed()       the state changed: the address and the storage follow
     say(text)       a screen reader says it; complain(sentence) shows a notice, complain("")
                     takes it away
     open(room, part)   goes to another room

   Each room that is gone to is an entry of the history, so that Back returns to the one before.

   Invariant: the rooms' states are those of the address, the storage and a saved copy, in this
   order of trust, and a state that a room refuses changes nothing. */
import { make, $ } from "../../engine/explain/page.js";
import { Engine, compileEngine } from "./engine.js";
import { copyOfPage, decode, encode, recall, remember } from "./state.js";
import { download } from "./save.js";
import { formula } from "./formula.js";
import { network } from "./network.js";
import { training } from "./training.js";
import { exercises } from "./exercises.js";

const rooms = [formula, network, training, exercises];
const names = rooms.map(room => room.name);
const roots = new Map(),
  links = new Map(),
  scrolled = new Map(),
  loaded = new Set();
let shown = null,
  timer = 0,
  written = "",
  state = { room: "", rooms: {} };

const page = {
  changed() {
    clearTimeout(timer);
    timer = setTimeout(keep, 300);
  },
  say(text) {
    $("said").textContent = text;
  },
  complain(sentence) {
    $("notice").textContent = sentence;
    $("notice").hidden = sentence === "";
  },
  open(room, part) {
    show(room, part);
  },
};

function stateNow() {
  for (const room of rooms) if (loaded.has(room)) state.rooms[room.name] = room.part();
  return { room: shown.name, rooms: state.rooms };
}

/* The address follows the state without a new entry of the history for each number that is
   dragged. */
async function keep() {
  clearTimeout(timer);
  const now = stateNow(),
    room = shown;
  remember(now);
  const part = now.rooms[room.name];
  const code = part && Object.keys(part).length > 0 ? await encode(room.name, part) : room.name;
  if (room !== shown) return;
  write("replaceState", "#" + (code.length < 8000 ? code : room.name));
}

/* What the address says, in the history's entry of now or in a new one. */
function write(how, address) {
  written = address;
  try {
    history[how]({ room: shown.name }, "", address);
  } catch {
    /* some browsers allow it only so often */
  }
}

function mount(room) {
  if (roots.has(room)) return;
  const root = make("section", { class: "room " + room.name, "aria-label": room.title });
  $("main").append(root);
  roots.set(room, root);
  room.mount(root, page);
}

/* Shows a room, with a part if one is given, else with what it has. True if the part could be
   shown. A room that was there is where it was scrolled to; one with a part begins at its top. */
function show(name, part, entry = true) {
  const room = rooms[names.indexOf(name)];
  mount(room);
  if (shown && shown !== room) {
    shown.leave?.();
    scrolled.set(shown, scrollY);
  }
  for (const [other, root] of roots) root.hidden = other !== room;
  for (const [other, link] of links)
    other === room
      ? link.setAttribute("aria-current", "page")
      : link.removeAttribute("aria-current");
  const entered = shown !== room,
    first = shown === null;
  shown = room;
  if (entered && entry && !first) write("pushState", "#" + name);
  document.title = room.title + " · Tapir: backpropagation you can touch";
  const good = load(room, part ?? (loaded.has(room) ? undefined : (state.rooms[name] ?? {})));
  if (entered) room.enter?.();
  if (entered && !first) scrollTo(0, part === undefined ? (scrolled.get(room) ?? 0) : 0);
  page.changed();
  return good;
}

function load(room, part) {
  if (part === undefined) return true;
  const first = !loaded.has(room);
  if (first) {
    loaded.add(room);
    if (Object.keys(part).length > 0) room.load({});
  }
  try {
    room.load(part);
    page.complain("");
    return true;
  } catch (error) {
    page.complain(error.message);
    return false;
  }
}

async function fromAddress(hash) {
  try {
    const { room, part } = await decode(hash, names);
    show(room, part, false);
  } catch (error) {
    if (!shown) show(state.room);
    page.complain(error.message);
  }
}

/* ---- what the reader keeps ------------------------------------------------------------------- */

function dialog(title, ...children) {
  const close = make("button", { type: "button" }, "Close");
  const d = make(
    "dialog",
    { "aria-label": title },
    make("h2", {}, title),
    ...children,
    make("menu", {}, close),
  );
  close.addEventListener("click", () => d.close());
  d.addEventListener("close", () => d.remove());
  document.body.append(d);
  d.showModal();
  return d;
}

async function showCode() {
  const code = await encode(shown.name, shown.part());
  const text = make("textarea", { readonly: true, "aria-label": "code", spellcheck: "false" });
  text.value = code;
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    text.select();
    try {
      await navigator.clipboard.writeText(code);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Press Ctrl+C";
    }
  });
  dialog(
    "What you see, as a code",
    make(
      "p",
      {},
      "Whoever pastes it under Open a code, in any copy of this page, sees what you see. On a " +
        "page that a server sends, the address says the same.",
    ),
    text,
    copy,
  );
  text.select();
}

function openCode() {
  const text = make("textarea", { "aria-label": "code or link", spellcheck: "false" }),
    why = make("p", { role: "alert" });
  const open = make("button", { type: "button" }, "Open");
  const d = dialog(
    "Open a code",
    make("p", {}, "Paste a code, or a link to this page with one in it."),
    text,
    why,
    open,
  );
  open.addEventListener("click", async () => {
    try {
      const { room, part } = await decode(text.value, names);
      if (show(room, part)) d.close();
      else why.textContent = $("notice").textContent;
    } catch (error) {
      why.textContent = error.message;
    }
  });
}

function showExports() {
  const why = make("p", { role: "alert" });
  const items = (shown.exports?.() || []).map(item => {
    const b = make("button", { type: "button" }, item.label);
    b.addEventListener("click", async () => {
      try {
        download(item.file, item.type, await item.make());
      } catch (error) {
        why.textContent = error.message;
      }
    });
    return make("li", {}, b);
  });
  dialog("Save as a file", make("ul", {}, ...items), why);
}

function saveCopy() {
  download("playground.html", "text/html", copyOfPage(stateNow()));
}

function frame() {
  for (const room of rooms) {
    const link = make("a", { href: "#" + room.name }, room.title);
    links.set(room, link);
    link.addEventListener("click", event => {
      event.preventDefault();
      show(room.name);
    });
    document.querySelector("nav").append(link);
  }
  const keeping = document.querySelector(".keep");
  for (const [text, does] of [
    ["Save as a file…", showExports],
    ["Save a copy of this page", saveCopy],
    ["Link as a code…", showCode],
    ["Open a code…", openCode],
  ]) {
    const b = make("button", { type: "button" }, text);
    b.addEventListener("click", () => {
      keeping.open = false;
      does();
    });
    keeping.lastElementChild.append(b);
  }
  keeping.addEventListener("focusout", event => {
    if (event.relatedTarget && !keeping.contains(event.relatedTarget)) keeping.open = false;
  });
  addEventListener("pointerdown", event => {
    if (!keeping.contains(event.target)) keeping.open = false;
  });
  addEventListener("keydown", event => {
    if (event.key === "Escape") keeping.open = false;
    if (!document.querySelector("dialog[open]")) shown?.key?.(event);
  });
  addEventListener("popstate", event => {
    if (!names.includes(event.state?.room)) return; // an address that was typed
    written = location.hash;
    show(event.state.room, undefined, false);
  });
  addEventListener("hashchange", () => {
    if (location.hash !== written) fromAddress(location.hash);
  });
  addEventListener("pagehide", () => remember(stateNow()));
}

async function start() {
  try {
    page.compiled = await compileEngine($("engine").textContent);
    page.engine = new Engine(page.compiled);
  } catch (error) {
    page.complain(
      "The engine cannot run in this browser (" +
        error.message +
        "). One of the last three years can run it.",
    );
    return;
  }
  const before = recall();
  state = {
    room: names.includes(before?.room) ? before.room : names[0],
    rooms: before?.rooms || {},
  };
  frame();
  if (location.hash.length > 1) await fromAddress(location.hash);
  else show(state.room);
  write("replaceState", location.hash || "#" + shown.name);
  window.playground = {
    page,
    copy: copyOfPage,
    rooms: Object.fromEntries(rooms.map(room => [room.name, room])),
    show,
  };
  performance.mark("first picture");
  document.documentElement.dataset.ready = "true";
}
start();
