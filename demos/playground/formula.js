/* formula.js - the first room: a formula that can be typed, its values dragged, both passes
   stepped through.

   The state is { text, values, bug, order, at, chosen, open }. Invariant: what is drawn is always
   a formula that the engine took; a text it does not take leaves the drawing as it was, with the
   engine's sentence under the field. */
import { zoom, zoomIdentity } from "d3-zoom";
import { select } from "d3-selection";
import { lessMotion, make, shorten } from "../../engine/explain/page.js";
import { GraphSteps } from "../../engine/explain/graph.js";
import { bending, examples, hurting } from "./examples.js";
import { freeNames } from "./names.js";
import { ruleOf } from "./rules.js";
import { BoxPanel, secondPanel, vPanel } from "./formula_panels.js";
import { pngOf, svgText } from "./save.js";

const LONGEST = 20000;
const BUGS = ["none", "no-accumulate", "depth-first", "stale"];
const BUG_SAYS = [
  "a correct backward pass",
  "= in place of +=: what stood there is lost",
  "a node passes on what it has before it is complete",
  "gradients of an earlier pass were not set to zero",
];
const first = examples[0];
const PANELS = ["curve", "second"];
/* A link of an earlier page has the name of one panel. */
const panelsOf = open => PANELS.filter(panel => [open].flat().includes(panel));
const initial = () => ({
  text: first.text,
  values: Object.fromEntries(freeNames(first.text).map((n, k) => [n, first.values[k]])),
  bug: 0,
  order: 0,
  at: 0,
  chosen: -1,
  open: [],
});

let page,
  root,
  steps,
  state = initial(),
  names = [],
  rules = {},
  shownText = "",
  scale = 1,
  wanted = 0,
  boxPanel;
const part = {};
/* The last value of each name, for a formula that is typed anew. */
const typed = Object.create(null);

/* ---- the engine ------------------------------------------------------------------------------ */

function ask(command, more = {}, from = state, of = names) {
  try {
    return page.engine.ask(command, {
      text: from.text,
      names: of.join(","),
      values: of.map(n => (Object.is(from.values[n], -0) ? "-0" : (from.values[n] ?? 1))),
      ...more,
    });
  } catch (error) {
    return { error: error.message };
  }
}

/* Tries a state: true if the engine took it, and then it is what is shown. */
function attempt(next, place) {
  if (next.text.trim() === "") return refuse("Type a formula, for example a*b + sin(a).", true);
  if (next.text.length > LONGEST)
    return refuse("This is too long for a page: 20,000 characters are the most.", true);
  const of = freeNames(next.text),
    values = {};
  for (const n of of) values[n] = next.values[n] ?? 1;
  const full = { ...next, values },
    same =
      full.text === shownText &&
      of.join() === names.join() &&
      full.bug === state.bug &&
      full.order === state.order;
  const answer = ask("formula", { bug: full.bug, order: full.order, draw: same ? 0 : 1 }, full, of);
  if (answer.error) return refuse(answer.error + lnSays(full.text), true);
  state = full;
  Object.assign(typed, values);
  names = of;
  refuse("");
  show(answer, same, place);
  return true;
}

/* What schools call ln is log here. */
const lnSays = text => (/\bln\b/.test(text) ? "\nHere log is the natural logarithm, ln." : "");

/* unread: the text in the field is not the formula that is drawn, and the drawing says so. */
function refuse(sentence, unread = false) {
  root.classList.toggle("unread", unread && shownText !== "");
  part.unread.hidden = !unread || shownText === "";
  part.error.textContent = sentence;
  part.error.hidden = sentence === "";
  sentence === ""
    ? part.text.removeAttribute("aria-invalid")
    : part.text.setAttribute("aria-invalid", "true");
  return false;
}

function show(answer, same, place = steps.player.at) {
  if (same && steps.update(answer.data)) steps.player.go(place);
  else {
    steps.set(
      answer.data,
      answer.svg ?? ask("formula", { bug: state.bug, order: state.order }).svg,
      place,
    );
    size();
  }
  shownText = state.text;
  part.folded.textContent = answer.folded ? answer.folded + "." : "";
  part.nonfinite.textContent = answer.nonfinite || "";
  part.nonfinite.hidden = !answer.nonfinite;
  fillValues();
  part.hurt.hidden = state.bug === 0 || steps.hurts();
  panels();
  page.changed();
}

/* ---- values ---------------------------------------------------------------------------------- */

const numberText = x => (Object.is(x, -0) ? "-0" : String(Number(x.toPrecision(12))));
const rangeOf = x => Math.min(1e12, Math.max(5, 2 * Math.abs(x)));

function fillValues() {
  if (part.values.dataset.names !== names.join()) {
    part.values.dataset.names = names.join();
    part.values.replaceChildren(
      ...names.map(n => {
        const r = rangeOf(state.values[n]);
        const slider = make("input", {
          type: "range",
          min: -r,
          max: r,
          step: r / 500,
          "aria-label": n,
          "data-name": n,
        });
        const field = make("input", {
          type: "text",
          inputmode: "decimal",
          "aria-label": n + ", as a number",
          "data-field": n,
          size: 9,
        });
        slider.addEventListener("input", () => setValue(n, Number(slider.value)));
        field.addEventListener("change", () => typeValue(n, field));
        return make("div", { class: "value" }, make("code", {}, n), slider, field);
      }),
    );
  }
  for (const n of names) {
    const slider = part.values.querySelector(`[data-name="${n}"]`),
      field = part.values.querySelector(`[data-field="${n}"]`),
      v = state.values[n];
    if (
      Math.abs(v) > Number(slider.max) ||
      (Math.abs(v) < Number(slider.max) / 1e4 &&
        Number(slider.max) > 5 &&
        document.activeElement !== slider)
    ) {
      const r = Math.abs(v) < 1 ? 5 : rangeOf(v);
      slider.min = -r;
      slider.max = r;
      slider.step = r / 500;
    }
    if (document.activeElement !== slider) slider.value = v;
    slider.setAttribute("aria-valuetext", shorten(v));
    if (document.activeElement !== field) field.value = numberText(v);
  }
}

/* A dragged slider asks for a new drawing once a frame at most. */
function setValue(n, x) {
  state.values[n] = Number(x.toPrecision(6));
  if (wanted) return;
  wanted = requestAnimationFrame(() => {
    wanted = 0;
    attempt(state);
  });
}
function typeValue(n, field) {
  const x = Number(field.value.trim().replace(",", "."));
  if (field.value.trim() === "" || !Number.isFinite(x)) {
    refuse(`The value of ${n} must be a number, not "${field.value}".`);
    field.value = numberText(state.values[n]);
    return;
  }
  attempt({ ...state, values: { ...state.values, [n]: x } });
}

/* ---- the drawing ----------------------------------------------------------------------------- */

function size() {
  const svg = steps.view.querySelector("svg");
  if (!svg) return;
  const wide = svg.viewBox.baseVal.width,
    fits = steps.view.clientWidth / (wide * rem());
  svg.style.width = (wide * scale) / 16 + "rem";
  svg.style.height = (svg.viewBox.baseVal.height * scale) / 16 + "rem";
  part.fit.title = `as wide as the window: ${Math.round(100 * fits)} %`;
}
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
function setScale(x) {
  scale = Math.max(0.15, Math.min(4, x));
  size();
  // The gesture goes on from here.
  if (steps.view.__zoom) steps.view.__zoom = zoomIdentity.scale(scale);
}
/* Larger where there is room, smaller where there is not, but never too small to read. */
function firstScale() {
  const fits =
    steps.view.clientWidth / (steps.view.querySelector("svg").viewBox.baseVal.width * rem());
  return fits > 1.3 ? 1.25 : fits < 1 ? Math.max(0.75, fits) : 1;
}
function fit() {
  const svg = steps.view.querySelector("svg");
  setScale(Math.min(1.6, (steps.view.clientWidth - 4) / (svg.viewBox.baseVal.width * rem())));
}

/* Two fingers, or the wheel with Ctrl: bigger and smaller; all else scrolls. */
function gestures() {
  const z = zoom()
    .scaleExtent([0.15, 4])
    .filter(e => (e.type === "wheel" ? e.ctrlKey : e.touches?.length === 2))
    .on("zoom", e => setScale(e.transform.k));
  select(steps.view).call(z).style("touch-action", "pan-x pan-y");
}

/* ---- panels ---------------------------------------------------------------------------------- */

function panels() {
  if (state.chosen >= 0 && steps.nodes.has(state.chosen)) boxPanel.show(steps, state.chosen);
  else part.box.hidden = true;
  const label = steps.label(steps.pass.output);
  if (part.curve.open) vPanel(part.curve.lastChild, ask, names, () => example(bending, ["curve"]));
  if (part.second.open) secondPanel(part.second.lastChild, ask, names, label);
}

function choose(id) {
  state.chosen = id;
  panels();
  page.changed();
  // Not at once: the second press of a double one would fall on what comes to stand there.
  part.box.scrollIntoView({ block: "nearest", behavior: lessMotion() ? "auto" : "smooth" });
  page.say(part.box.innerText);
}

function details(title, name) {
  const d = make("details", { class: "panel" }, make("summary", {}, title), make("div"));
  d.addEventListener("toggle", () => {
    state.open = PANELS.filter(panel => part[panel].open);
    panels();
    page.changed();
  });
  part[name] = d;
  return d;
}

/* ---- the room -------------------------------------------------------------------------------- */

function controls() {
  part.text = make("textarea", {
    rows: 2,
    "aria-label": "formula",
    "aria-describedby": "formula-error",
    spellcheck: "false",
    autocapitalize: "off",
    class: "code",
  });
  part.text.addEventListener("input", () => {
    const values = { ...typed, ...state.values };
    if (attempt({ ...state, text: part.text.value, values })) part.says.textContent = "";
  });
  part.error = make("pre", { id: "formula-error", class: "error", role: "alert", hidden: true });
  part.example = make(
    "select",
    { "aria-label": "example" },
    make("option", { value: "" }, "Examples…"),
    ...examples.map((e, k) => make("option", { value: k }, e.name)),
  );
  part.example.addEventListener("change", () => {
    if (part.example.value !== "") example(examples[Number(part.example.value)]);
    part.example.value = "";
  });
  part.bug = make(
    "select",
    { "aria-label": "bug on purpose" },
    ...BUGS.map((b, k) => make("option", { value: k }, k === 0 ? "no bug" : "bug: " + b)),
  );
  part.bug.addEventListener("change", () => chooseBug(Number(part.bug.value)));
  part.bugSays = make("span", { class: "soft" }, BUG_SAYS[0]);
  part.hurt = make("button", { type: "button", hidden: true }, "Show a formula that it hurts");
  part.hurt.addEventListener("click", () => example(hurting, [], state.bug));
  part.says = make("p", { class: "soft says" });
  part.values = make("div", {
    class: "values",
    role: "group",
    "aria-label": "values of the inputs",
  });
  part.folded = make("p", { class: "soft" });
  part.nonfinite = make("pre", { class: "error", hidden: true });
  part.unread = make(
    "p",
    { class: "soft unread-says", hidden: true },
    "The drawing below is still that of the last formula that could be read.",
  );
  return make(
    "div",
    { class: "ask" },
    make("div", { class: "typed" }, part.text, part.example),
    part.error,
    part.unread,
    part.says,
    part.values,
    bugRow(),
  );
}

function bugRow() {
  return (part.bugRow = make(
    "p",
    { class: "controls" },
    make("label", {}, "Backward pass with ", part.bug),
    " ",
    part.bugSays,
    " ",
    part.hurt,
  ));
}

function write(text) {
  part.text.value = text;
  part.text.rows = Math.max(1, Math.min(5, Math.ceil(text.length / 70)));
}

function zoomButtons() {
  const button = (text, says, go) => {
    const b = make("button", { type: "button", "aria-label": says, title: says }, text);
    b.addEventListener("click", go);
    return b;
  };
  part.fit = button("fit", "fit the drawing to the window", fit);
  return make(
    "div",
    { class: "zoom controls" },
    button("−", "smaller", () => setScale(scale / 1.25)),
    button("+", "larger", () => setScale(scale * 1.25)),
    part.fit,
    part.folded,
  );
}

function chooseBug(bug) {
  attempt({ ...state, bug }, Infinity);
  part.bugSays.textContent = BUG_SAYS[state.bug];
}

function example(e, open = [], bug = 0) {
  const of = freeNames(e.text);
  const values = Array.isArray(e.values)
    ? Object.fromEntries(of.map((n, k) => [n, e.values[k]]))
    : e.values;
  write(e.text);
  part.bug.value = bug;
  part.bugSays.textContent = BUG_SAYS[bug];
  for (const panel of PANELS) part[panel].open = open.includes(panel);
  attempt({ ...initial(), text: e.text, values, bug, open }, bug ? Infinity : 0);
  fit();
  if (scale > 1) setScale(1);
  part.says.textContent = e.says;
}

function programInC() {
  const quoted = text => '"' + text.replace(/[\\"]/g, "\\$&").replace(/\s+/g, " ") + '"';
  const n = names.length,
    exact = x => (Object.is(x, -0) ? "-0.0" : String(x));
  const said = state.text.replace(/\*\//g, "* /").replace(/\s+/g, " ");
  return `/* ${said}: its value and its derivatives. Build it with
 *     cc formula.c $(pkg-config --cflags --libs tapir) */
#include <stdio.h>
#include <tapir/ad.h>

int main(void) {
    ad_tape   *tape = ad_tape_new();
    const char *name[] = {${names.map(quoted).join(", ")}};
    ad_var      x[] = {
${names.map(m => `        ad_input(tape, ${exact(state.values[m])}), /* ${m} */`).join("\n")}
    };
    ad_var y = ad_parse(tape, ${quoted(state.text)}, ${n},
                        ${quoted(names.join(","))}, x);
    ad_backward(y);
    if (ad_tape_status(tape) != AD_OK) {
        fprintf(stderr, "%s\\n", ad_tape_message(tape));
        return 1;
    }
    printf("value %.17g\\n", ad_value(y));
    for (int i = 0; i < ${n}; i++) printf("d/d%s %.17g\\n", name[i], ad_grad(x[i]));
    ad_tape_free(tape);
    return 0;
}
`;
}

export const formula = {
  name: "formula",
  title: "A formula",

  mount(element, itsPage) {
    root = element;
    page = itsPage;
    rules = page.engine.ask("rules");
    part.steps = make("div", { class: "steps" });
    root.append(controls(), part.nonfinite, part.steps);
    steps = new GraphSteps(part.steps, {
      rule: (step, edge, at) => ruleOf(rules, step, edge, at),
      chosen: choose,
      said: (text, at) => {
        if (state.at !== at) {
          state.at = at;
          page.changed();
        }
      },
    });
    steps.view.before(zoomButtons());
    part.box = make("section", {
      class: "panel box-panel",
      hidden: true,
      "aria-label": "a box",
    });
    boxPanel = new BoxPanel(part.box, ask, page.say);
    steps.view.after(
      make(
        "p",
        { class: "soft hint" },
        "Click a box, or move to it with Tab and press Enter: its chain rule, its paths, and a " +
          "nudge.",
      ),
      part.box,
    );
    // On a phone the drawing comes first.
    if (matchMedia("(max-width: 37rem)").matches) steps.view.after(part.bugRow);
    root.append(details("Differences: the V", "curve"), details("Second derivatives", "second"));
    gestures();
    addEventListener("resize", size);
  },

  load(given) {
    const { text, values: written, bug, order, at, chosen, open } = { ...initial(), ...given };
    const values =
      typeof written === "object" && written
        ? Object.fromEntries(Object.entries(written).map(([n, v]) => [n, v === "-0" ? -0 : v]))
        : null; // JSON has no -0
    const whole = (x, most) => Number.isInteger(x) && x >= -1 && x <= most;
    if (
      typeof text !== "string" ||
      typeof values !== "object" ||
      values === null ||
      !whole(bug, 3) ||
      bug < 0 ||
      !whole(order, 1) ||
      !whole(at, 1e6) ||
      !whole(chosen, 1e6) ||
      !Object.values(values).every(Number.isFinite)
    )
      throw new Error("This link holds no formula that can be shown: it was changed on its way.");
    const before = part.text.value;
    write(text);
    if (
      !attempt(
        {
          text,
          values: { ...values },
          bug,
          order: Math.max(0, order),
          at: 0,
          chosen,
          open: panelsOf(open),
        },
        Math.max(0, at),
      )
    ) {
      const why = part.error.textContent;
      if (shownText !== "") {
        write(before);
        refuse("");
      }
      throw new Error(`The formula of this link cannot be read: ${why}`);
    }
    part.bug.value = bug;
    part.bugSays.textContent = BUG_SAYS[bug];
    part.says.textContent = text === first.text ? first.says : "";
    for (const panel of PANELS) part[panel].open = state.open.includes(panel);
    if (scale === 1) setScale(firstScale());
  },

  part() {
    const base = initial(),
      out = {};
    for (const key of Object.keys(base))
      if (JSON.stringify(state[key]) !== JSON.stringify(base[key])) out[key] = state[key];
    if (out.text) out.values = state.values;
    if (out.values)
      out.values = Object.fromEntries(
        Object.entries(out.values).map(([n, v]) => [n, Object.is(v, -0) ? "-0" : v]),
      );
    return out;
  },

  key: event => steps.key(event),
  leave() {
    steps.player.stop();
  },
  now: () => ({ trace: steps.trace }),

  exports: () => [
    {
      label: "The drawing as SVG",
      file: "formula.svg",
      type: "image/svg+xml",
      make: () => svgText(steps.view.querySelector("svg")),
    },
    {
      label: "The drawing as PNG",
      file: "formula.png",
      type: "image/png",
      make: () => pngOf(steps.view.querySelector("svg")),
    },
    {
      label: "Both passes as JSON (tapir-trace/1)",
      file: "formula.json",
      type: "application/json",
      make: () => JSON.stringify(steps.trace, null, 1),
    },
    {
      label: "A C program that does the same",
      file: "formula.c",
      type: "text/x-c",
      make: programInC,
    },
  ],
};
