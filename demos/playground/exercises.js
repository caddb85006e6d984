/* exercises.js - the room "Exercises": predict, then reveal; for a teacher copies, a sheet and its
   solutions.

   The state is { id, seed, done, own }: the exercise that is shown, the seed of its numbers, those
   that were solved, and a teacher's own formula. Invariant: the same id and seed give the same
   numbers everywhere, every answer comes from the engine, and what a teacher typed is text, never
   markup. */
import { make } from "../../engine/explain/page.js";
import { GraphSteps } from "../../engine/explain/graph.js";
import { LEVELS, list } from "./exercise_list.js";
import { freeNames } from "./names.js";
import { copyOfPage } from "./state.js";
import { download } from "./save.js";

const LONGEST = 2000;
const initial = () => ({ id: list[0].id, seed: 1, done: [], own: null });
const part = {};
let page,
  root,
  state = initial(),
  now = null;

/* ---- numbers --------------------------------------------------------------------------------- */

/* mulberry32: a small generator whose numbers are the same in every browser. */
function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const pickOf = seed => {
  const next = generator(seed);
  return (...of) => of[Math.floor(next() * of.length)];
};

/* "1/3", "-0,5", "2e-3", with the minus of mathematics too; NaN if it is no number. */
export function numberOf(text) {
  const one = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const parts = text
    .trim()
    .replace(/\u2212/g, "-")
    .replace(/,/g, ".")
    .split("/")
    .map(s => s.trim());
  if (parts.length > 2 || !parts.every(s => one.test(s))) return NaN;
  const x = parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
  return Number.isFinite(x) ? x : NaN;
}

/* Three digits, so that nobody needs a calculator's last one. */
const near = (x, y) => Math.abs(x - y) <= 5e-3 * Math.abs(y) + 1e-9;

/* ---- an exercise with its numbers ------------------------------------------------------------ */

function ask(text, values, bug = 0, draw = 0) {
  const names = Object.keys(values);
  const answer = page.engine.ask("formula", {
    text,
    names: names.join(","),
    values: Object.values(values),
    bug,
    draw,
  });
  if (answer.error) throw new Error(answer.error);
  return draw ? answer : answer.data;
}

const ownExercise = own => ({
  id: "own",
  level: 0,
  title: "Your teacher's exercise",
  hint: "Begin at the result, and multiply along each path; where paths meet, add.",
  vary: () => own,
  text: v => v.text,
  values: v => v.values,
  question: v =>
    `y = ${v.text} with ${Object.entries(v.values)
      .map(([n, x]) => `${n} = ${x}`)
      .join(", ")}. What is ∂y/∂${v.by}?`,
  answer: (v, d) => Number(d.trace.result[v.by]),
  why: (v, d) =>
    `∂y/∂${v.by} = ${Number(Number(d.trace.result[v.by]).toPrecision(6))}: the drawing shows ` +
    "each step.",
});

function prepared(e, seed) {
  const v = e.vary(pickOf(seed)),
    text = e.text(v),
    values = e.values(v),
    bug = e.bug?.(v) ?? 0;
  const drawn = ask(text, values, bug, 1),
    data = drawn.data,
    asked = (t, x, b) => ask(t, x, b);
  return {
    e,
    v,
    text,
    values,
    bug,
    data,
    svg: drawn.svg,
    question: e.question(v, data),
    choices: e.choices?.(v, data, asked),
    answer: e.answer(v, data, asked),
    why: e.why(v, data, asked),
    traps: e.traps?.(v, data) ?? [],
  };
}
const exerciseOf = s => (s.id === "own" ? ownExercise(s.own) : list.find(e => e.id === s.id));
const answerText = p => (p.choices ? p.choices[p.answer] : String(Number(p.answer.toPrecision(6))));

/* The one place that knows how the first room is opened. */
function openFormula(text, values, bug, step = 0) {
  page.open("formula", { text, values, bug, at: step });
}

/* ---- the exercise on the screen -------------------------------------------------------------- */

function inputOf(p) {
  if (!p.choices)
    return make(
      "label",
      {},
      "Your prediction ",
      make("input", { type: "text", class: "prediction", size: 12, autocomplete: "off" }),
    );
  return make(
    "fieldset",
    {},
    make("legend", {}, "Your prediction"),
    ...p.choices.map((text, k) =>
      make(
        "label",
        { class: "choice" },
        make("input", { type: "radio", name: "prediction", value: k }),
        " " + text,
      ),
    ),
  );
}

function showExercise() {
  now = prepared(exerciseOf(state), state.seed);
  part.title.textContent = now.e.title;
  part.question.textContent = now.question;
  part.hint.textContent = now.e.hint;
  part.hint.parentElement.open = false;
  part.input.replaceChildren(inputOf(now));
  part.verdict.textContent = "";
  part.verdict.className = "verdict";
  part.reveal.hidden = true;
  part.seed.value = state.seed;
  showList();
}

function listItem(e, k) {
  const done = state.done.includes(e.id);
  const b = make(
    "button",
    { type: "button", "data-id": e.id, "aria-current": e.id === state.id ? "step" : undefined },
    `${k + 1}. ${e.title}${done ? " ✓" : ""}`,
    make("span", { class: "spoken" }, done ? " solved" : ""),
  );
  b.addEventListener("click", () => choose(e.id));
  return make("li", {}, b);
}

/* Rebuilt at each change; the focus stays on the exercise that had it. */
function showList() {
  const held = part.list.contains(document.activeElement)
    ? document.activeElement.dataset.id
    : null;
  const all = state.own ? [...list, ownExercise(state.own)] : list,
    own = all.length > list.length ? ["your teacher's"] : [];
  part.list.replaceChildren(
    ...[...LEVELS, ...own].map((level, l) =>
      make(
        "section",
        {},
        make("h2", {}, level),
        make(
          "ul",
          {},
          ...all
            .map(listItem)
            .filter((_, k) => (all[k].id === "own" ? LEVELS.length : all[k].level) === l),
        ),
      ),
    ),
  );
  if (held) part.list.querySelector(`[data-id="${held}"]`)?.focus();
  part.count.textContent =
    `${list.filter(e => state.done.includes(e.id)).length} ` + `of ${list.length} solved`;
  showClear();
}

function choose(id) {
  state.id = id;
  showExercise();
  page.say(`${now.e.title}. ${now.question}`);
  page.changed();
}

function again(seed) {
  state.seed = seed;
  showExercise();
  page.say(now.question);
  page.changed();
}

function tell(sign, sentence) {
  part.verdict.textContent = `${sign} ${sentence}`.trim();
  part.verdict.className = "verdict " + ({ "✓": "good", "✗": "bad" }[sign] || "");
}

function check() {
  const { choices, answer, traps } = now,
    field = part.input.querySelector(choices ? ":checked" : "input");
  if (!field) return tell("", "Choose one first.");
  const x = choices ? Number(field.value) : numberOf(field.value);
  if (Number.isNaN(x)) return tell("", "That is not a number. Write it like 2, -0.5, 1/3 or 2e-3.");
  if (choices ? x === answer : near(x, answer)) return solved();
  const trap = choices ? now.e.wrong?.(x, now) : traps.find(([y]) => near(x, y))?.[1];
  return tell("✗", "Not right. " + (trap || "Try again, look at the hint, or reveal."));
}

const predicted = () =>
  now.choices
    ? part.input.querySelector(":checked") !== null
    : part.input.querySelector("input").value.trim() !== "";

function solved() {
  if (!state.done.includes(state.id)) state.done.push(state.id);
  cleared = [];
  showList();
  tell("✓", "Right.");
  reveal();
  page.say(now.why);
  page.changed();
}

function reveal() {
  part.answer.textContent = "The answer: " + answerText(now);
  part.why.textContent = now.why;
  part.steps.replaceChildren();
  part.reveal.hidden = false;
  const steps = new GraphSteps(part.steps, {});
  steps.set(now.data, now.svg, 0);
  steps.player.go(steps.player.length - 1);
  part.graph = steps;
}

/* What was cleared last can be had back, until another exercise is solved. */
let cleared = [];
function clear() {
  const back = cleared.length > 0;
  if (!back && state.done.length === 0) return;
  [state.done, cleared] = back ? [cleared, []] : [[], state.done];
  showList();
  page.say(back ? "Progress is back." : "Progress cleared. The same button brings it back.");
  page.changed();
}
function showClear() {
  part.clear.textContent = cleared.length > 0 ? "Undo: bring progress back" : "Clear progress";
  part.clear.setAttribute("aria-disabled", String(cleared.length + state.done.length === 0));
}

/* ---- for a teacher --------------------------------------------------------------------------- */

function checkedOwn(own) {
  if (
    typeof own?.text !== "string" ||
    own.text.length > LONGEST ||
    typeof own.values !== "object" ||
    own.values === null ||
    !Object.values(own.values).every(Number.isFinite)
  )
    throw new Error("This is no formula with values.");
  const names = freeNames(own.text);
  if (!names.every(n => Object.hasOwn(own.values, n)))
    throw new Error("Each name of the formula needs a value, for example a = 2, b = 3.");
  if (!names.includes(own.by)) throw new Error(`The formula has no input "${own.by}".`);
  const values = Object.fromEntries(names.map(n => [n, own.values[n]])),
    data = ask(own.text, values);
  if (!Number.isFinite(Number(data.trace.result[own.by])))
    throw new Error(`The derivative by ${own.by} is not a finite number at these values.`);
  return { text: own.text, values, by: own.by };
}

function typedValues(text) {
  const values = {};
  for (const item of text
    .split(/[;\s]+(?=[A-Za-z_])|,\s*(?=[A-Za-z_])/)
    .filter(s => s.trim() !== "")) {
    const [name, number, more] = item.split("="),
      x = numberOf(number ?? "");
    if (more !== undefined || Number.isNaN(x) || !/^[A-Za-z_]\w*$/.test(name.trim()))
      throw new Error(`"${item.trim()}" is not a name and its value, like a = 2.`);
    values[name.trim()] = x;
  }
  return values;
}

function setOwn() {
  try {
    state.own = checkedOwn({
      text: part.ownText.value,
      values: typedValues(part.ownValues.value),
      by: part.ownBy.value.trim(),
    });
    part.ownError.textContent = "";
    choose("own");
  } catch (error) {
    part.ownError.textContent = error.message;
  }
}

/* The page with this exercise alone in its state: nobody's progress travels with it. */
const copyText = () =>
  copyOfPage({ room: "exercises", rooms: { exercises: partOf({ ...state, done: [] }) } });

function sheetItem(e, solutions, number) {
  const p = prepared(e, state.seed),
    graph = make("div", { class: "graph sheet-graph" });
  graph.innerHTML = p.svg; /* written by the engine, which escapes names */
  const answer = solutions
    ? [make("p", { class: "solution" }, make("b", {}, answerText(p)), make("br"), p.why)]
    : [make("div", { class: "space" })];
  const choices = p.choices
    ? [make("ul", { class: "boxes" }, ...p.choices.map(text => make("li", {}, "☐ " + text)))]
    : [];
  return make(
    "article",
    {},
    make("h2", {}, `${number}. ${e.title}`),
    make("p", {}, p.question),
    ...choices,
    ...(p.choices ? [] : [graph]),
    ...answer,
  );
}

function print(solutions) {
  const chosen = part.all.checked
    ? [...list, ...(state.own ? [ownExercise(state.own)] : [])]
    : [exerciseOf(state)];
  part.sheet.replaceChildren(
    make(
      "h2",
      {},
      solutions ? `Solutions (numbers ${state.seed})` : `Exercises (numbers ${state.seed})`,
    ),
    ...(solutions ? [] : [make("p", {}, "Name:")]),
    ...chosen.map((e, k) => sheetItem(e, solutions, k + 1)),
  );
  root.dataset.print = solutions ? "solutions" : "sheet";
  window.print();
}

/* ---- the room -------------------------------------------------------------------------------- */

function button(text, name, does) {
  const b = make("button", { type: "button", class: name }, text);
  b.addEventListener("click", does);
  return b;
}

function question() {
  part.title = make("h2");
  part.question = make("p", { class: "question" });
  part.hint = make("p", {});
  part.input = make("div", { class: "input" });
  part.verdict = make("p", { class: "verdict", role: "status" });
  part.answer = make("p", { class: "answer" });
  part.why = make("p", { class: "why" });
  part.steps = make("div", { class: "steps" });
  part.reveal = make("div", { class: "reveal", hidden: true }, part.answer, part.why, part.steps);
  part.seed = make("input", { type: "number", class: "seed", min: 1, max: 999999, step: 1 });
  part.seed.addEventListener("change", () => {
    const s = Number(part.seed.value);
    if (isSeed(s)) again(s);
    else part.seed.value = state.seed;
  });
  const form = make(
    "form",
    {},
    part.input,
    make("button", { type: "submit", class: "check" }, "Check"),
    button("Reveal", "show-answer", () => {
      tell("", predicted() ? "" : "You made no prediction. Try one before you look next time.");
      reveal();
      page.say(`${part.answer.textContent}. ${now.why}`);
    }),
  );
  form.addEventListener("submit", event => {
    event.preventDefault();
    check();
  });
  return make(
    "section",
    { class: "work" },
    part.title,
    part.question,
    form,
    part.verdict,
    make("details", {}, make("summary", {}, "Hint"), part.hint),
    part.reveal,
    make(
      "p",
      { class: "controls" },
      button("Other numbers", "again", () => again((state.seed % 999999) + 1)),
      " ",
      make("label", {}, "set of numbers ", part.seed),
      " ",
      button("Open in the formula room", "to-formula", () =>
        openFormula(now.text, now.values, now.bug),
      ),
    ),
  );
}

function teacher() {
  part.ownText = make("input", { type: "text", class: "own-text", spellcheck: "false" });
  part.ownValues = make("input", { type: "text", class: "own-values" });
  part.ownBy = make("input", { type: "text", class: "own-by", size: 6 });
  part.ownError = make("p", { role: "alert", class: "own-error" });
  part.all = make("input", { type: "checkbox", checked: true });
  return make(
    "details",
    { class: "panel teacher controls" },
    make("summary", {}, "For a teacher"),
    make(
      "p",
      {},
      make("label", {}, "Formula ", part.ownText),
      " ",
      make("label", {}, "values, as a = 2, b = 3 ", part.ownValues),
      " ",
      make("label", {}, "derivative by ", part.ownBy),
      " ",
      button("Use this formula", "use-own", setOwn),
    ),
    part.ownError,
    make(
      "p",
      {},
      button("Save a copy that opens with this exercise", "save-exercise", () =>
        download("exercise.html", "text/html", copyText()),
      ),
    ),
    make(
      "p",
      {},
      make("label", {}, part.all, " all exercises"),
      " ",
      button("Print the sheet", "print-sheet", () => print(false)),
      " ",
      button("Print the solutions", "print-solutions", () => print(true)),
    ),
  );
}

const isSeed = s => Number.isInteger(s) && s >= 1 && s <= 999999;

function partOf(s) {
  const base = initial(),
    out = {};
  for (const key of Object.keys(base))
    if (JSON.stringify(s[key]) !== JSON.stringify(base[key])) out[key] = s[key];
  return out;
}

export const exercises = {
  name: "exercises",
  title: "Exercises",

  mount(element, itsPage) {
    root = element;
    page = itsPage;
    part.list = make("div", { class: "list" });
    part.count = make("p", { class: "soft" });
    part.sheet = make("section", { class: "sheet", "aria-label": "to print" });
    root.append(
      make(
        "div",
        { class: "columns" },
        make(
          "div",
          { class: "controls" },
          part.count,
          part.list,
          (part.clear = button("Clear progress", "clear", clear)),
        ),
        question(),
      ),
      teacher(),
      part.sheet,
    );
    addEventListener("afterprint", () => {
      delete root.dataset.print;
      part.sheet.replaceChildren();
    });
  },

  load(given) {
    const next = { ...initial(), ...given };
    const known = id => list.some(e => e.id === id) || (id === "own" && next.own !== null);
    if (
      !known(next.id) ||
      !isSeed(next.seed) ||
      !Array.isArray(next.done) ||
      next.done.length > 20 ||
      !next.done.every(known)
    )
      throw new Error("This link holds no exercise of this page: it was changed on its way.");
    const own = next.own === null ? null : checkedOwn(next.own);
    state = { id: next.id, seed: next.seed, done: [...new Set(next.done)], own };
    cleared = [];
    showExercise();
  },

  part: () => partOf(state),
  key: event =>
    !part.reveal.hidden &&
    !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) &&
    part.graph.key(event),
  leave() {
    part.graph?.player.stop();
  },
  exports: () => [
    {
      label: "A copy that opens with this exercise",
      file: "exercise.html",
      type: "text/html",
      make: copyText,
    },
  ],
};
