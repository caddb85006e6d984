/* network.js - the second room: a network learns from an example, every number of it open.

   The state is { data, row, count, hidden, activation, rate, seed, own, params, losses, at }: params are the weights if
   they are not those of the seed. Invariant: what is shown is a lesson that the engine computed from exactly this
   state; a wish that it refuses changes nothing but the sentence. */
import { axisBottom, axisLeft } from "d3-axis";
import { drag } from "d3-drag";
import { scaleLinear } from "d3-scale";
import { create, selectAll } from "d3-selection";
import { line } from "d3-shape";
import { make, shorten } from "../../engine/explain/page.js";
import { LessonSteps, four } from "../../nn/lesson.js";
import { sets } from "./examples_data.js";
import { formula, math, mathOf, name, number, partial, sign } from "./rules.js";
import { pngOf, svgText } from "./save.js";

const ACTIVATIONS = ["tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "identity"];
const MOST_LOSSES = 2000;
const initial = () => ({ data: "iris", row: 1, count: 1, hidden: [4, 4], activation: "tanh", rate: 0.5, seed: 1, own: { input: [0.05, 0.1], target: [0.01, 0.99] },
  params: null, losses: [], at: 0 });

let page, steps, state = initial(), lesson = null, chosen = null, waiting = 0;
const part = {};

/* ---- the engine -------------------------------------------------------------------------------------------------- */

/* The set that a state learns from, with rows and names. */
function setOf(s) {
  if (s.data !== "own") return sets[s.data];
  return { ...sets.own, inputs: s.own.input.map((_, i) => `x${i + 1}`), outputs: Array.from({ length: s.own.classes || s.own.target.length }, (_, i) => s.own.classes ? `class ${i}` : `y${i + 1}`), rows: [{ name: "own", ...s.own }] };
}
function rowsOf(s) {
  const { rows } = setOf(s), picked = [];
  for (let k = 0; k < Math.min(s.count, rows.length); k++) picked.push(rows[(s.row + k)%rows.length]);
  return picked;
}
const squares = s => s.data === "own" && !s.own.classes;
const sizesOf = s => [setOf(s).inputs.length, ...s.hidden, setOf(s).outputs.length];

function compute(s) {
  const set = setOf(s), rows = rowsOf(s);
  const inputs = s.edited ? s.edited : rows.flatMap(r => r.input);
  const answer = page.engine.ask("lesson", { sizes: sizesOf(s), activation: s.activation, squares: squares(s) ? 1 : 0, rate: s.rate, seed: s.seed,
    params: s.params || undefined, inputs, targets: rows.flatMap(r => [r.target].flat()), image: set.image });
  if (!answer.error) Object.assign(answer, { inputs: set.inputs, outputs: set.outputs, image: set.image });
  return answer;
}

function attempt(next, place) {
  if (!(next.rate > 0 && next.rate <= 1e6)) return refuse("The rate must be a number above 0, and not above a million.");
  let answer;
  try { answer = compute(next); } catch (error) { answer = { error: error.message }; }
  if (answer.error) return refuse(answer.error);
  state = next;
  lesson = answer;
  refuse("");
  steps.set(lesson, place ?? steps.player.at);
  if (state.losses.length === 0) state.losses = [lesson.mean_loss];
  fill();
  page.changed();
  return true;
}
function refuse(sentence) {
  part.error.textContent = sentence;
  part.error.hidden = sentence === "";
  if (sentence !== "") fill();
  return false;
}

const nowParams = key => lesson.layers.flatMap(layer => [...layer[key + "weight"], ...layer[key + "bias"]]);

/* Steps of gradient descent; each begins from the weights of the last. */
function learn(count) {
  for (let k = 0; k < count; k++) {
    const next = { ...state, params: nowParams("new_"), losses: [...state.losses.slice(-MOST_LOSSES), lesson.mean_loss_after] };
    if (!attempt(next)) return;
  }
  page.say(`The loss is ${four(lesson.mean_loss)} after ${state.losses.length - 1} steps.`);
}

function forgetWeights(changes) { attempt({ ...state, params: null, losses: [], ...changes }, 0); }

/* ---- where a number comes from ----------------------------------------------------------------------------------- */

const sum = parts => parts.flatMap((p, k) => k > 0 ? [sign("+"), ...p] : p);
const plain = x => math("mn", four(x).replace("-", "−"));

function unitOrigin(e, l, j) {
  const me = steps.nameOf(l, j), box = make("div");
  if (l === 0) { box.append(make("p", {}, `${me} is an input: ${four(e.input[j])}. Learning never changes it.`)); return box; }
  const n = steps.sizes[l - 1], here = e.layers[l - 1], layer = lesson.layers[l - 1], some = [...Array(Math.min(n, 4)).keys()], more = n > 4 ? [sign("+"), sign("…")] : [];
  box.append(formula(name("z"), sign("="), ...sum(some.map(i => [number(layer.weight[j*n + i]), sign("·"), number(steps.activation(e, l - 1, i))])), ...more,
    sign("+"), number(layer.bias[j]), sign("="), plain(here.z[j])),
  formula(name("a"), sign("="), name(lesson.activations[l - 1]), sign("("), plain(here.z[j]), sign(")"), sign("="), plain(here.a[j])));
  if (l < steps.layers) {
    const after = e.layers[l], m = steps.sizes[l + 1], w = lesson.layers[l].weight, of = [...Array(Math.min(m, 4)).keys()];
    box.append(formula(partial("C", "a"), sign("="), ...sum(of.map(k => [number(after.dz[k]), sign("·"), number(w[k*steps.sizes[l] + j])])), ...(m > 4 ? [sign("+"), sign("…")] : []), sign("="), plain(here.da[j])));
  } else box.append(formula(partial("C", "a"), sign("="), ...(lesson.loss === "squares" ? [math("mn", "2"), sign("("), plain(here.a[j]), sign("−"), plain(e.wanted[j]), sign(")")]
    : [plain(e.guess[j]), sign("−"), plain(e.wanted[j])]), sign("="), plain(here.da[j])));
  const slope = here.da[j] === 0 ? null : here.dz[j]/here.da[j];
  box.append(formula(partial("C", "z"), sign("="), plain(here.da[j]), ...(slope === null ? [] : [sign("·"), plain(slope)]), sign("="), plain(here.dz[j])));
  return box;
}

function weightOrigin(e, l, j, i) {
  const n = steps.sizes[l - 1], layer = lesson.layers[l - 1], k = j*n + i, here = e.layers[l - 1], box = make("div");
  box.append(formula(partial("C", "w"), sign("="), partial("C", "z"), sign("·"), name("a"), sign("="), number(here.dz[j]), sign("·"), number(steps.activation(e, l - 1, i)), sign("="), plain(here.dweight[k])));
  if (steps.batch.length > 1) box.append(formula(name("mean"), sign("="), sign("("), ...sum(steps.batch.map(x => [number(x.layers[l - 1].dweight[k])])), sign(")"), sign("/"), math("mn", String(steps.batch.length)), sign("="), plain(layer.mean_dweight[k])));
  box.append(formula(...mathOf("new"), sign("="), plain(layer.weight[k]), sign("−"), math("mn", String(lesson.rate)), sign("·"), number(layer.mean_dweight[k]), sign("="), plain(layer.new_weight[k])));
  return box;
}

/* What can be changed of what was clicked: its place among the parameters, or among the inputs. */
function handleOf({ l, j, i }) {
  if (l === 0) return { says: "its value", get: () => steps.batch[steps.example].input[j], input: steps.example*steps.sizes[0] + j };
  let at = 0;
  for (let k = 1; k < l; k++) at += steps.sizes[k]*(steps.sizes[k - 1] + 1);
  const n = steps.sizes[l - 1];
  return i === undefined ? { says: "its bias", get: () => lesson.layers[l - 1].bias[j], param: at + n*steps.sizes[l] + j }
    : { says: "the weight", get: () => lesson.layers[l - 1].weight[j*n + i], param: at + j*n + i };
}
function change(handle, x) {
  if (!Number.isFinite(x) || Math.abs(x) > 1e6) return refuse("A weight or an input here is a number up to a million.");
  const next = { ...state };
  if (handle.input !== undefined) {
    next.edited = [...(state.edited || steps.batch.flatMap(e => e.input))];
    next.edited[handle.input] = x;
  } else {
    next.params = nowParams("");
    next.params[handle.param] = x;
  }
  next.losses = [];
  return attempt(next);
}

function show(what) {
  chosen = what;
  part.origin.hidden = !what;
  if (!what) return;
  const { l, j, i } = what, handle = handleOf(what), e = steps.batch[steps.steps[steps.player.at].example];
  part.originTitle.textContent = i === undefined ? `Where the numbers at ${steps.nameOf(l, j)} come from` : `Where the weight ${steps.nameOf(l, j)} ← ${steps.nameOf(l - 1, i)} comes from`;
  part.originText.replaceChildren(i === undefined ? unitOrigin(e, l, j) : weightOrigin(e, l, j, i));
  part.handleSays.textContent = handle.says + " ";
  const x = handle.get(), range = Math.max(2, 2*Math.abs(x));
  if (document.activeElement !== part.handle) { part.handle.min = -range; part.handle.max = range; part.handle.step = range/200; part.handle.value = x; }
  if (document.activeElement !== part.handleNumber) part.handleNumber.value = Number(x.toPrecision(8));
  part.handle.setAttribute("aria-valuetext", four(x));
  for (const wire of steps.wire.values()) wire.classList.remove("chosen");
  if (i !== undefined) steps.wire.get(`${l - 1}_${j}_${i}`)?.classList.add("chosen");
}

/* Up is more: a hundred pixels are the whole size of the weight, or 1. */
function draggable() {
  const begin = what => { show(what); const handle = handleOf(what); return { handle, from: handle.get(), scale: Math.max(1, Math.abs(handle.get()))/100 }; };
  const move = (event, held) => {
    held.wanted = Number((held.from + (held.y - event.y)*held.scale).toPrecision(6));
    waiting ||= requestAnimationFrame(() => { waiting = 0; change(held.handle, held.wanted); });
  };
  const listen = (selector, whatOf) => selectAll(part.steps.querySelectorAll(selector)).call(drag().container(() => document.body).clickDistance(4)
    .on("start", function (event) { this.held = { ...begin(whatOf(this)), y: event.y }; }).on("drag", function (event) { move(event, this.held); }));
  listen(".unit", u => { const [l, j] = u.dataset.u.split("_").map(Number); return { l, j }; });
  listen("line[data-w]", w => { const [l, j, i] = w.dataset.w.split("_").map(Number); return { l: l + 1, j, i }; });
}

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

function drawLosses() {
  const width = 420, height = 170, left = 52, bottom = 30, losses = state.losses;
  const x = scaleLinear([0, Math.max(10, losses.length - 1)], [left, width - 8]), y = scaleLinear([0, Math.max(...losses, 1e-6)], [height - bottom, 8]).nice();
  const svg = create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("class", "plot").attr("role", "img").attr("aria-label", `the loss after each step; now ${four(losses[losses.length - 1])}`);
  svg.append("g").attr("transform", `translate(0 ${height - bottom})`).call(axisBottom(x).ticks(6).tickFormat(t => Number.isInteger(t) ? t : ""));
  svg.append("g").attr("transform", `translate(${left} 0)`).call(axisLeft(y).ticks(4));
  svg.append("path").attr("class", "curve").attr("d", line().x((_, k) => x(k)).y(l => y(l))(losses));
  svg.append("circle").attr("class", "now-dot").attr("r", 4).attr("cx", x(losses.length - 1)).attr("cy", y(losses[losses.length - 1]));
  svg.append("text").attr("class", "axis").attr("x", (left + width)/2).attr("y", height - 2).text("steps");
  part.curve.replaceChildren(svg.node());
}

/* ---- the room ---------------------------------------------------------------------------------------------------- */

function field(label, control) { return make("label", { class: "field" }, label, " ", control); }

function controls() {
  const on = (element, event, go) => { element.addEventListener(event, go); return element; };
  const option = (value, text) => make("option", { value }, text);
  part.data = on(make("select", {}, ...Object.entries(sets).map(([k, s]) => option(k, s.title))), "change", () =>
    forgetWeights({ data: part.data.value, row: 0, count: 1, hidden: sets[part.data.value].hidden, edited: undefined }));
  part.row = on(make("select", {}), "change", () => attempt({ ...state, row: Number(part.row.value), edited: undefined, losses: [] }, 0));
  part.count = on(make("select", {}, ...[1, 2, 3, 4, 5, 6].map(n => option(n, n === 1 ? "one example" : `a batch of ${n}`))), "change", () => attempt({ ...state, count: Number(part.count.value), edited: undefined, losses: [] }, 0));
  part.hidden = on(make("input", { type: "text", size: 7, inputmode: "numeric" }), "change", () => forgetWeights({ hidden: part.hidden.value.trim() === "" ? [] : part.hidden.value.trim().split(/[\s,;]+/).map(Number) }));
  part.activation = on(make("select", {}, ...ACTIVATIONS.map(a => option(a, a))), "change", () => attempt({ ...state, activation: part.activation.value, losses: [] }));
  part.rate = on(make("input", { type: "text", size: 6, inputmode: "decimal" }), "change", () => attempt({ ...state, rate: Number(part.rate.value.replace(",", ".")) }));
  part.rateSlider = on(make("input", { type: "range", min: -3, max: 1, step: 0.05, "aria-label": "rate, from 0.001 to 10" }), "input", () => attempt({ ...state, rate: Number((10**Number(part.rateSlider.value)).toPrecision(3)) }));
  part.ownInput = on(make("input", { type: "text", size: 14 }), "change", typeOwn);
  part.ownTarget = on(make("input", { type: "text", size: 14 }), "change", typeOwn);
  part.own = make("span", { class: "own" }, field("inputs", part.ownInput), field("outputs wanted", part.ownTarget));
  part.error = make("p", { class: "error", role: "alert", hidden: true });
  part.says = make("p", { class: "soft" });
  return make("div", { class: "ask" }, make("div", { class: "fields controls" }, field("learn from", part.data), field("example", part.row), field("at once", part.count), part.own,
    field("units of the hidden layers", part.hidden), field("activation", part.activation), field("rate", part.rate), part.rateSlider), part.error, part.says);
}

function typeOwn() {
  const read = text => text.trim().split(/[\s,;]+/).filter(t => t !== "").map(Number);
  const input = read(part.ownInput.value), target = read(part.ownTarget.value);
  if (![...input, ...target].every(Number.isFinite) || input.length === 0 || target.length === 0) return refuse("Own numbers are numbers with spaces between them, at least one input and one output.");
  return forgetWeights({ own: { input, target }, edited: undefined });
}

function learning() {
  const button = (text, go) => { const b = make("button", { type: "button" }, text); b.addEventListener("click", go); return b; };
  part.curve = make("div", { class: "losses" });
  part.count1 = make("p", { "aria-live": "polite" });
  return make("section", { class: "panel learning", "aria-label": "learning" },
    make("div", {}, make("h2", {}, "Learn"), make("p", { class: "controls" }, button("One more step", () => learn(1)), " ", button("Ten", () => learn(10)), " ",
      button("Back to the first weights", () => forgetWeights({})), " ", button("Other weights", () => forgetWeights({ seed: state.seed + 1 }))), part.count1), part.curve);
}

function origin() {
  part.originTitle = make("h2");
  part.originText = make("div");
  part.handleSays = make("span");
  part.handle = make("input", { type: "range", "aria-label": "change it" });
  part.handleNumber = make("input", { type: "text", size: 10, inputmode: "decimal", "aria-label": "change it, as a number" });
  part.handle.addEventListener("input", () => change(handleOf(chosen), Number(Number(part.handle.value).toPrecision(6))));
  part.handleNumber.addEventListener("change", () => change(handleOf(chosen), Number(part.handleNumber.value.replace(",", "."))));
  part.origin = make("section", { class: "panel", hidden: true, "aria-label": "where a number comes from" }, part.originTitle, part.originText,
    make("p", { class: "handle" }, part.handleSays, part.handle, part.handleNumber));
  return part.origin;
}

function fill() {
  const set = setOf(state), many = state.count > 1;
  part.data.value = state.data;
  part.row.replaceChildren(...set.rows.map((r, k) => make("option", { value: k }, r.name)));
  part.row.value = state.row;
  part.row.parentElement.hidden = part.count.parentElement.hidden = state.data === "own";
  part.own.hidden = state.data !== "own";
  part.ownInput.value = state.own.input.join(" ");
  part.ownTarget.value = state.own.target.join(" ");
  part.count.value = state.count;
  part.hidden.value = state.hidden.join(" ");
  part.activation.value = state.activation;
  part.rate.value = state.rate;
  part.rateSlider.value = Math.log10(state.rate);
  part.rateSlider.setAttribute("aria-valuetext", String(state.rate));
  part.says.textContent = set.says + (state.edited ? " An input was changed by hand." : "");
  if (!lesson) return;
  drawLosses();
  part.count1.textContent = `${state.losses.length - 1} steps; the ${many ? "mean loss" : "loss"} is ${four(lesson.mean_loss)}. The next step makes it ${four(lesson.mean_loss_after)}.`;
  if (chosen && (chosen.l > steps.layers || chosen.j >= steps.sizes[chosen.l] || chosen.i >= steps.sizes[chosen.l - 1])) chosen = null;
  show(chosen);
}

const COMMENT = "prints the loss before and after one step, and both passes as JSON";
function programInC() {
  const rows = rowsOf(state), wide = setOf(state).inputs.length, inputs = state.edited || rows.flatMap(r => r.input), list = (x, most = 5) => x.map((v, k) => String(v) + (k%most === most - 1 ? ",\n        " : ", ")).join("");
  const table = rows.flatMap((r, k) => [...inputs.slice(k*wide, (k + 1)*wide), ...[r.target].flat()]), sizes = sizesOf(state);
  return `/* A network ${sizes.join("-")} learns: ${COMMENT}. Build it with
 *     cc lesson.c $(pkg-config --cflags --libs tapir-nn) */
#include <stdio.h>
#include <tapir/nn.h>

int main(void) {
    const double row[] = {
        ${list(table)}
    };
    const double param[] = {
        ${list(nowParams(""))}
    };
    const size_t     sizes[] = {${sizes.join(", ")}}, example[] = {${rows.map((_, k) => k).join(", ")}};
    ad_tape         *tape = ad_tape_new();
    nn_model        *model = nn_model_new(tape, 1);
    nn_mlp_config    shape = {.layers = ${sizes.length - 1}, .sizes = sizes, .hidden = nn_activation_named("${state.activation}")};
    nn_mlp          *mlp = nn_mlp_new(model, &shape);
    nn_data         *data = nn_data_new(${rows.length}, ${wide}, ${[rows[0].target].flat().length}, row);
    nn_lesson_config config = {.rows = ${rows.length}, .row = example, .rate = ${state.rate}, .squares = ${squares(state)}};
    nn_model_set_values(model, param);
    nn_lesson *lesson = nn_lesson_new(model, mlp, data, &config);
    if (lesson == NULL) {
        fprintf(stderr, "%s\\n", nn_model_message(model));
        return 1;
    }
    fprintf(stderr, "loss %.17g, after the step %.17g\\n", nn_lesson_loss(lesson), nn_lesson_loss_after(lesson));
    nn_lesson_json(lesson, stdout);
    nn_lesson_free(lesson);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    nn_data_free(data);
    return 0;
}
`;
}

const numbers = (x, most) => Array.isArray(x) && x.length <= most && x.every(v => typeof v === "number" && Number.isFinite(v));
function check(s) {
  const good = sets[s.data] && Number.isInteger(s.row) && s.row >= 0 && Number.isInteger(s.count) && s.count >= 1 && s.count <= 6 && numbers(s.hidden, 7) && ACTIVATIONS.includes(s.activation) &&
    typeof s.rate === "number" && Number.isInteger(s.seed) && s.seed >= 0 && s.own && numbers(s.own.input, 64) && numbers(s.own.target, 16) && s.own.input.length > 0 && s.own.target.length > 0 &&
    (s.own.classes === undefined || Number.isInteger(s.own.classes) && s.own.classes >= 2 && s.own.classes <= 10 && s.own.target.length === 1) && (s.params === null || numbers(s.params, 20000)) && numbers(s.losses, MOST_LOSSES + 2) && Number.isInteger(s.at) && (s.edited === undefined || numbers(s.edited, 600)) && s.row < (s.data === "own" ? 1 : sets[s.data].rows.length);
  if (!good) throw new Error("This link holds no network that can be shown: it was changed on its way.");
}

export const network = {
  name: "network",
  title: "A network learns",

  mount(root, itsPage) {
    page = itsPage;
    part.steps = make("div", { class: "steps" });
    root.append(controls(), part.steps);
    steps = new LessonSteps(part.steps, { chosen: what => { show(what); page.say(part.origin.innerText); }, said: (text, at) => { if (state.at !== at) { state.at = at; page.changed(); } if (chosen && lesson) show(chosen); } });
    const draw = steps.draw.bind(steps);
    steps.draw = () => { draw(); draggable(); };
    root.append(make("p", { class: "soft hint" }, "Click a unit or a wire, or move to a unit with Tab and press Enter: where its numbers come from. Drag it up or down to change it. Circles are shaded by activation; ",
      make("span", { class: "above" }, "blue, unbroken lines"), " are weights above 0, ", make("span", { class: "below" }, "orange, dashed"), " below; ",
      make("span", { class: "upward" }, "▲ up"), " and ", make("span", { class: "downward" }, "▼ down"), " is what should change."), origin(), learning());
  },

  load(given) {
    const next = { ...initial(), ...given };
    if (next.data === "own") next.row = 0, next.count = 1;
    check(next);
    const at = Math.max(0, next.at);
    chosen = null;
    if (!attempt(next, at)) { const why = part.error.textContent; if (lesson) refuse(""); throw new Error(`This network cannot be computed: ${why}`); }
  },

  part() {
    const base = initial(), out = {};
    for (const key of [...Object.keys(base), "edited"]) if (JSON.stringify(state[key]) !== JSON.stringify(base[key])) out[key] = state[key];
    if (state.losses.length <= 1) delete out.losses;
    return out;
  },

  key: event => steps.key(event),
  leave() { steps.player.stop(); },

  exports: () => [
    { label: "The drawing as SVG", file: "network.svg", type: "image/svg+xml", make: () => svgText(steps.net.querySelector("svg")) },
    { label: "The drawing as PNG", file: "network.png", type: "image/png", make: () => pngOf(steps.net.querySelector("svg")) },
    { label: "Every number as JSON (tapir-lesson/1)", file: "lesson.json", type: "application/json", make: () => JSON.stringify(lesson, null, 1) },
    { label: "A C program that does the same", file: "lesson.c", type: "text/x-c", make: programInC },
  ],
};
