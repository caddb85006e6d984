/* training.js - the third room: a network trains in front of you, with nothing hidden.

   The state is the settings and how many batches were trained: the trainer is the engine's own, in
   a Worker, and the same settings give the same run, so that a link or a reload trains again to
   where it was. Invariant: there is one piece of work at the trainer at a time, and what is drawn
   is its last answer. */
import { axisBottom, axisLeft, axisRight } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { drag } from "d3-drag";
import { create, select } from "d3-selection";
import { line } from "d3-shape";
import { make } from "../../engine/explain/page.js";
import { num as four } from "../../nn/lesson_data.js";
import {
  MARK_NAMES,
  boundaryPath,
  drawPoints,
  drawRings,
  paintPlane,
  paintUnit,
  rangeOf,
} from "./training_plane.js";
import { Trainer } from "./training_link.js";
import { tableFrom } from "./table_text.js";
import { LOOKED, chainOf, isThere, neighbour } from "./training_chain.js";
import { MOST_EXAMPLES } from "./network_data.js";
import { pngOf, svgText } from "./save.js";
import { programOf } from "./training_program.js";

const SETS = {
  moons: "two moons",
  circles: "circles",
  spirals: "spirals",
  xor: "xor",
  plane: "a plane (regression)",
  waves: "waves (regression)",
  own: "your own",
};
const ACTIVATIONS = ["tanh", "relu", "sigmoid", "leaky_relu", "gelu", "softplus", "identity"],
  OPTIMIZERS = ["sgd", "momentum", "adam"];
const REGRESSION = ["plane", "waves"],
  MOST_LAYERS = 4,
  MOST_UNITS = 16,
  MOST_OWN = 15000,
  GRID = 40,
  MOST_AGAIN = 300000,
  VANISHES = 1e-4,
  EXPLODES = 100;
const initial = () => ({
  set: "moons",
  rows: 300,
  noise: 0.15,
  test: 0.3,
  hidden: [8, 8],
  activation: "tanh",
  optimizer: "sgd",
  rate: 0.1,
  batch: 10,
  decay: 0,
  seed: 1,
  own: [],
  classes: 2,
  step: 0,
});

let page,
  trainer,
  state = initial(),
  asked = state,
  data = null,
  look = null,
  grid = null,
  history = [],
  playing = false,
  busy = false,
  unit = -1,
  range = [-1, 1, -1, 1],
  chain = null,
  batch = null,
  version = 0,
  seen = null;
const part = {};

const classesOf = s => (s.set === "own" ? s.classes : REGRESSION.includes(s.set) ? 0 : 2);
const outputsOf = s => classesOf(s) || 1;
const sizesOf = s => [2, ...s.hidden, outputsOf(s)];
const fieldsOf = s => ({
  set: s.set,
  values: s.set === "own" ? s.own : undefined,
  rows: s.rows,
  noise: s.noise,
  test: s.test,
  seed: s.seed,
  classes: classesOf(s),
  sizes: sizesOf(s),
  activation: s.activation,
  optimizer: s.optimizer,
  rate: s.rate,
  decay: s.decay,
  batch: s.batch,
});

/* ---- the trainer ----------------------------------------------------------------------------- */

/* Makes the trainer for a state, and trains to its step; an answer that is an error changes
   nothing but the sentence. */
async function begin(next) {
  stop();
  asked = next;
  const mine = ++version,
    answer = await trainer.do({ ask: ["train", fieldsOf(next)] });
  if (mine !== version) return false;
  if (answer.error) {
    asked = state;
    refuse(answer.error);
    fill();
    if (data) await trainer.do({ ask: ["train", fieldsOf(state)] });
    return false;
  }
  refuse("");
  state = asked = { ...next };
  data = answer;
  history = [];
  batch = seen = null;
  if (chain && !isThere(sizesOf(state), chain)) hideChain();
  range = rangeOf([...data.train, ...data.test]);
  unit = -1;
  note(answer);
  layout();
  await run(Math.min(next.step, MOST_AGAIN), 0, mine);
  return true;
}

async function run(steps, milliseconds, mine = version) {
  if (busy) return;
  busy = true;
  const answer = await trainer.do({
    run: { steps, milliseconds, grid: { n: GRID, range }, batch: chain !== null },
  });
  const { look: said, grid: seen } = answer;
  busy = false;
  if (mine !== version) return;
  if (!said || said.error) {
    stop();
    refuse(said?.error || "The trainer gave no answer.");
    return;
  }
  if (!seen.error) grid = seen;
  batch = answer.batch ?? null;
  note(said);
  if (said.stopped) {
    stop();
    refuse(
      "The loss is not finite any more: the rate is too large. Start over with a smaller one.",
    );
  }
  draw();
}

function note(said) {
  look = said;
  state.step = said.step;
  history.push({
    epoch: Number(said.epoch),
    loss: Number(said.loss),
    test: Number(said.test_loss),
    accuracy: Number(said.test_accuracy),
  });
  if (history.length > 800) history = history.filter((_, k) => k % 2 === 0 || k > 700);
  page.changed();
}

async function play() {
  playing = true;
  part.play.textContent = "Pause";
  part.play.setAttribute("aria-pressed", "true");
  while (playing) {
    const speed = part.speed.value;
    await run(speed === "fast" ? 1e9 : Number(speed), speed === "fast" ? 30 : 0);
    await new Promise(good => requestAnimationFrame(good));
  }
}
function stop() {
  if (playing) page.say(summary());
  playing = false;
  part.play.textContent = "Play";
  part.play.setAttribute("aria-pressed", "false");
}
const summary = () =>
  `After ${look.step} batches the loss is ${four(Number(look.loss))}, on examples held ` +
  `out ${four(Number(look.test_loss))}` +
  (look.test_accuracy === undefined
    ? "."
    : `; ${Math.round(100 * look.test_accuracy)} per cent of them are right.`);
const perEpoch = () => Math.ceil(data.train.length / 3 / state.batch);

/* ---- drawing --------------------------------------------------------------------------------- */

/* The places of layers and units, in the order in which the engine gives activations. */
function layout() {
  const sizes = sizesOf(state);
  places = null;
  part.layers.replaceChildren(
    ...sizes.map((n, l) =>
      make(
        "div",
        { class: "layer" },
        head(l, n, sizes.length - 1),
        ...Array.from({ length: n }, (_, j) => cell(l, j)),
      ),
    ),
  );
  part.addLayer.setAttribute("aria-disabled", String(state.hidden.length >= MOST_LAYERS));
  fill();
}

function head(l, n, last) {
  if (l === 0 || l === last)
    return make(
      "div",
      { class: "head" },
      l === 0 ? "inputs" : classesOf(state) ? "outputs" : "output",
    );
  const button = (text, says, by) => {
    const b = make("button", { type: "button", "aria-label": says }, text);
    b.addEventListener("click", () => {
      const hidden = [...asked.hidden],
        now = hidden[l - 1];
      hidden[l - 1] = Math.max(1, Math.min(MOST_UNITS, now + by));
      if (hidden[l - 1] !== now) begin({ ...asked, hidden, step: 0 });
    });
    return b;
  };
  return make(
    "div",
    { class: "head" },
    button("−", `a unit less in layer ${l}`, -1),
    button("+", `a unit more in layer ${l}`, 1),
  );
}

const nameOf = (l, j) =>
  l === 0
    ? "xy"[j]
    : l === sizesOf(state).length - 1
      ? classesOf(state)
        ? `class ${j}`
        : "value"
      : `h${l}.${j + 1}`;
function unitNumber(l, j) {
  return (
    sizesOf(state)
      .slice(1, l)
      .reduce((s, n) => s + n, 0) + j
  );
}

function cell(l, j) {
  const b = make(
    "button",
    {
      type: "button",
      class: "cell",
      "aria-label": `${nameOf(l, j)}: what it says on the plane`,
      "data-cell": `${l}_${j}`,
    },
    make("canvas", {}),
    make("span", {}, nameOf(l, j)),
  );
  b.addEventListener("click", () => {
    unit = l === 0 || unit === unitNumber(l, j) ? -1 : unitNumber(l, j);
    draw();
  });
  return b;
}

/* Where the wires run changes with the layers and the window alone. */
let places = null;
function findPlaces(sizes, box) {
  const place = (l, j) => {
    const r = part.layers.children[l]
      .querySelector(`[data-cell="${l}_${j}"] canvas`)
      .getBoundingClientRect();
    return {
      left: r.left - box.left,
      right: r.right - box.left,
      y: (r.top + r.bottom) / 2 - box.top,
    };
  };
  return sizes.map((n, l) => Array.from({ length: n }, (_, j) => place(l, j)));
}

function wires() {
  const sizes = sizesOf(state),
    box = part.network.getBoundingClientRect(),
    params = look.params,
    most = Math.max(...params.map(Math.abs), 1e-9),
    lines = [];
  places ??= findPlaces(sizes, box);
  let at = 0;
  for (let l = 1; l < sizes.length; l++) {
    for (let j = 0; j < sizes[l]; j++)
      for (let i = 0; i < sizes[l - 1]; i++)
        lines.push({
          l,
          j,
          i,
          w: params[at + j * sizes[l - 1] + i],
          from: places[l - 1][i],
          to: places[l][j],
        });
    at += sizes[l] * (sizes[l - 1] + 1);
  }
  part.wires.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  const path = d => {
    const half = (d.to.left - d.from.right) / 2;
    const { right, y } = d.from,
      { left, y: end } = d.to;
    return `M${right} ${y}C${right + half} ${y} ${left - half} ${end} ${left} ${end}`;
  };
  if (!isThere(sizes, reached)) reached = { l: 1, j: 0, i: 0 };
  const all = select(part.wires).selectAll("g").data(lines).join(newWire);
  all
    .attr("class", d => "weight" + (chain && isSame(chain, d) ? " chosen" : ""))
    .attr("tabindex", d => (isSame(reached, d) ? 0 : -1))
    .attr("aria-label", d => `weight ${nameOf(d.l, d.j)} from ${nameOf(d.l - 1, d.i)}`)
    .select(".touched")
    .attr("d", path);
  all
    .select(".wire")
    .attr("d", path)
    .attr("class", d => "wire" + (d.w < 0 ? " minus" : ""))
    .attr("stroke-width", d => (0.5 + (5 * Math.abs(d.w)) / most).toFixed(2));
}

/* A wire, and around it what a pointer may touch. In the order of Tab all weights are one, the one
   that was reached; from there the arrows go on. */
let reached = { l: 1, j: 0, i: 0 };
const isSame = (a, b) => a.l === b.l && a.j === b.j && a.i === b.i;
const weightOf = ({ l, j, i }) => ({ l, j, i });
function newWire(enter) {
  const g = enter.append("g").attr("role", "button");
  g.append("path").attr("class", "touched");
  g.append("path").attr("class", "wire");
  return g
    .on("click", (_, d) => {
      reached = weightOf(d);
      showChain(reached, true);
    })
    .on("keydown", (event, d) => wireKey(event, weightOf(d)));
}

function wireKey(event, weight) {
  const asked = event.key === "Enter" || event.key === " ",
    next = asked ? weight : neighbour(sizesOf(state), weight, event.key);
  if (next === null || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  reached = next;
  wires();
  select(part.wires)
    .selectAll("g")
    .filter(d => isSame(d, next))
    .node()
    .focus();
  if (asked || chain) showChain(next, true).then(() => page.say(part.chain.innerText));
}

function draw() {
  if (!grid || !look) return;
  const sizes = sizesOf(state),
    outputs = outputsOf(state);
  paintPlane(part.canvas, grid, outputs, unit);
  part.boundary.setAttribute("d", boundaryPath(grid, outputs, unit, 100));
  drawPoints(part.points, data.train, data.test, range, classesOf(state));
  for (let l = 0; l < sizes.length; l++)
    for (let j = 0; j < sizes[l]; j++) {
      const b = part.layers.children[l].querySelector(`[data-cell="${l}_${j}"]`);
      paintUnit(
        b.querySelector("canvas"),
        grid,
        outputs,
        l === 0 ? 0 : unitNumber(l, j),
        l === 0 ? j : undefined,
      );
      b.setAttribute("aria-pressed", String(l > 0 && unit === unitNumber(l, j)));
    }
  wires();
  part.shown.textContent = planeSays();
  part.numbers.textContent = summary();
  curves();
  norms();
  drawRings(part.rings, chain && batch ? batch.rows : [], range);
  if (chain) showChain(chain);
}

function planeSays() {
  const classes = classesOf(state),
    outputs = sizesOf(state)
      .slice(1, -1)
      .reduce((s, n) => s + n, 0);
  if (unit >= 0 && unit < outputs)
    return (
      `What one unit inside says: the more grey, the larger, with a line where it is 0. It knows ` +
      "nothing of classes; the units after it weigh what it says. Click it again for the whole " +
      "network."
    );
  if (unit >= 0 && classes)
    return (
      `How probable the network finds class ${unit - outputs}: the more colour, the more, with a ` +
      "line at one half. Click it again for the whole network."
    );
  return classes
    ? "What the network says: colours and lines where classes meet. Marks: " +
        MARK_NAMES.slice(0, classes)
          .map((m, c) => `${m} are class ${c}`)
          .join(", ") +
        "; hollow ones are held out."
    : "What the network predicts: a line where it is -1, -0.5, 0, 0.5, 1. Circles are " +
        "targets below 0, triangles above; hollow ones are held out.";
}

function plot(label, width = 420, height = 160) {
  return create("svg")
    .attr("viewBox", `0 0 ${width} ${height}`)
    .attr("class", "plot")
    .attr("role", "img")
    .attr("aria-label", label);
}
function curves() {
  const width = 420,
    height = 172,
    left = 48,
    bottom = 40,
    good = history.filter(h => Number.isFinite(h.loss));
  const x = scaleLinear([0, Math.max(1, ...good.map(h => h.epoch))], [left, width - 40]),
    y = scaleLinear(
      [0, Math.max(...good.map(h => Math.max(h.loss, h.test || 0)), 1e-9)],
      [height - bottom, 8],
    ).nice(),
    a = scaleLinear([0, 1], [height - bottom, 8]);
  const svg = plot(
    `loss: ${four(Number(look.loss))} on the examples learned ` +
      `from, ${four(Number(look.test_loss))} on those held out`,
    width,
    height,
  );
  svg
    .append("g")
    .attr("transform", `translate(0 ${height - bottom})`)
    .call(axisBottom(x).ticks(5));
  svg.append("g").attr("transform", `translate(${left} 0)`).call(axisLeft(y).ticks(4));
  const path = (kind, of, scale) =>
    svg
      .append("path")
      .attr("class", "curve " + kind)
      .attr(
        "d",
        line()
          .x(h => x(h.epoch))
          .y(h => scale(of(h)))(good.filter(h => Number.isFinite(of(h)))),
      );
  path("", h => h.loss, y);
  path("romberg", h => h.test, y);
  if (classesOf(state)) {
    path("noise", h => h.accuracy, a);
    svg
      .append("g")
      .attr("class", "share")
      .attr("transform", `translate(${width - 40} 0)`)
      .call(
        axisRight(a)
          .tickValues([0, 0.5, 1])
          .tickFormat(share => `${100 * share} %`),
      );
  }
  svg
    .append("text")
    .attr("class", "axis")
    .attr("x", (left + width - 40) / 2)
    .attr("y", height - 6)
    .text("epochs");
  part.curves.replaceChildren(svg.node());
}

/* Bars on a logarithmic scale, with a word where a gradient vanishes or explodes. */
function norms() {
  const norms = look.norms.map(Number),
    high = 26,
    width = 420,
    x = scaleLog([1e-8, 1e3], [90, width - 110]).clamp(true);
  const svg = plot("size of the gradient, layer by layer", width, norms.length * high + 24);
  norms.forEach((g, l) => {
    const word = !Number.isFinite(g) || g > EXPLODES ? "explodes" : g < VANISHES ? "vanishes" : "";
    svg
      .append("text")
      .attr("class", "key")
      .attr("x", 4)
      .attr("y", l * high + 17)
      .text(`layer ${l + 1}`);
    svg
      .append("rect")
      .attr("class", "norm")
      .attr("x", 90)
      .attr("y", l * high + 5)
      .attr("height", 16)
      .attr("width", Math.max(1, x(g || 1e-8) - 90));
    svg
      .append("text")
      .attr("class", "key")
      .attr("x", Math.max(96, x(g || 1e-8) + 6))
      .attr("y", l * high + 17)
      .text(`${g.toExponential(1)} ${word}`);
  });
  svg
    .append("g")
    .attr("transform", `translate(0 ${norms.length * high + 2})`)
    .call(axisBottom(x).ticks(5, "~e"));
  part.norms.replaceChildren(svg.node());
}

/* ---- where the gradient of a weight comes from ----------------------------------------------- */

/* The first examples of the batch, and one of each class that is not among them, as the second
   room's own numbers. */
function lessonPart() {
  const row = (rows, k) => rows.slice(3 * k, 3 * k + 3),
    rowsOf = list => Array.from({ length: list.length / 3 }, (_, k) => row(list, k));
  const missing = Array.from({ length: classesOf(state) }, (_, c) => c)
    .filter(c => !batch.rows.some((target, k) => k % 3 === 2 && target === c))
    .map(c => rowsOf(data.train).find(r => r[2] === c))
    .filter(r => r !== undefined);
  const rows = [...rowsOf(batch.rows).slice(0, MOST_EXAMPLES - missing.length), ...missing];
  return {
    data: "own",
    own: rows.map(([x, y, target]) => `${x}, ${y} -> ${target}`).join("\n"),
    batch: rows.length,
    loss: classesOf(state) ? "cross-entropy" : "squares",
    hidden: state.hidden,
    activation: state.activation,
    rate: state.rate,
    params: look.params,
  };
}

function hideChain() {
  chain = seen = null;
  part.chain.hidden = true;
}

function firstOfBatch() {
  const rows = batch.rows.slice(0, 3 * LOOKED);
  return page.engine.ask("lesson", {
    sizes: sizesOf(state),
    activation: state.activation,
    squares: classesOf(state) ? 0 : 1,
    rate: state.rate,
    params: look.params,
    inputs: rows.filter((_, k) => k % 3 !== 2),
    targets: rows.filter((_, k) => k % 3 === 2),
  });
}

/* wanted: a reader wants to see it now, wherever the page is scrolled to. */
async function showChain(weight, wanted = false) {
  if (playing && weight !== chain) stop();
  if (chain === null || !isSame(weight, chain)) seen = null;
  chain = weight;
  const mine = version;
  if (!batch) batch = await trainer.do({ ask: ["batch", {}] });
  if (mine !== version || weight !== chain) return;
  const names = [nameOf(weight.l, weight.j), nameOf(weight.l - 1, weight.i)],
    lesson = batch.error ? batch : firstOfBatch();
  part.chain.hidden = false;
  part.chainTitle.textContent = `The weight ${names.join(" ← ")}`;
  if (lesson.error) {
    part.chainText.replaceChildren(make("p", {}, lesson.error));
    batch = null;
    return;
  }
  const classes = classesOf(state),
    all = data.train.length / 3,
    sizes = sizesOf(state);
  const said = chainOf(weight, {
    sizes,
    names,
    batch,
    lesson,
    look,
    settings: state,
    classes,
    all,
    seen,
  });
  if (seen?.step !== look.step) {
    seen = said.seen;
    part.chainText.replaceChildren(...said.elements);
  }
  drawRings(part.rings, batch.rows, range);
  wires();
  if (wanted) part.chain.scrollIntoView({ block: "nearest" });
}

/* ---- controls -------------------------------------------------------------------------------- */

function refuse(sentence) {
  part.error.textContent = sentence;
  part.error.hidden = sentence === "";
  if (sentence) page.say(sentence);
  return false;
}

function choice(label, key, options) {
  const s = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
  s.addEventListener("change", () => begin({ ...asked, [key]: s.value, step: 0 }));
  part[key] = s;
  return make("label", { class: "field" }, label, " ", s);
}
function numeric(label, key, low, high, whole) {
  const f = make("input", { type: "text", size: 6, inputmode: "decimal" });
  f.addEventListener("change", () => {
    const x = Number(f.value.trim().replace(",", "."));
    if (f.value.trim() === "" || !(x >= low && x <= high) || (whole && !Number.isInteger(x))) {
      refuse(
        `${label}: ${whole ? "a whole number" : "a number"} from ${low} to ${high}, ` +
          `not "${f.value.slice(0, 30)}".`,
      );
      fill();
      return;
    }
    begin({ ...asked, [key]: x, step: 0 });
  });
  part[key] = f;
  return make("label", { class: "field" }, label, " ", f);
}
const MEANING =
  "In each step it sees a few examples, a batch, and every weight moves a little against its " +
  "gradient.";
const WORDS = [
  ["noise", "how far the examples are strewn from their place"],
  ["held out", "the share of the examples that it never learns from: they test what it learned"],
  ["optimizer", "how a gradient becomes a step; sgd: minus rate times gradient, and no more"],
  ["batch", "so many examples are looked at for one step; an epoch is as many as show all once"],
  ["decay", "each step also shrinks every weight a little"],
  ["seed", "another number gives other examples and other first weights; the same gives the same"],
];
function words() {
  return make(
    "details",
    { class: "words" },
    make("summary", {}, "What the words mean"),
    make("dl", {}, ...WORDS.flatMap(([w, says]) => [make("dt", {}, w), make("dd", {}, says)])),
  );
}

function fill() {
  part.intro.textContent = classesOf(state)
    ? "Press Play. The network learns to separate the colours."
    : "Press Play. The network learns to predict a number at each point.";
  for (const key of [
    "set",
    "rows",
    "noise",
    "test",
    "activation",
    "optimizer",
    "rate",
    "batch",
    "decay",
    "seed",
  ])
    part[key].value = state[key];
  part.ownPanel.hidden = state.set !== "own";
  part.square.classList.toggle("draws", state.set === "own");
  for (const key of ["rows", "noise"]) part[key].parentElement.hidden = state.set === "own";
  part.newClass.replaceChildren(
    ...Array.from({ length: Math.max(2, state.classes) }, (_, c) =>
      make("option", { value: c }, `class ${c}`),
    ),
  );
}

function buttons() {
  const button = (text, go) => {
    const b = make("button", { type: "button" }, text);
    b.addEventListener("click", go);
    return b;
  };
  part.play = button("Play", () => (playing ? stop() : play()));
  part.play.setAttribute("aria-pressed", "false");
  part.speed = make(
    "select",
    { "aria-label": "speed" },
    make("option", { value: "1" }, "one batch a picture"),
    make("option", { value: "20" }, "20 batches a picture"),
    make("option", { value: "fast" }, "as fast as it can"),
  );
  part.speed.value = "20";
  part.numbers = make("p", { class: "summary" });
  return make(
    "div",
    { class: "go controls" },
    part.play,
    button("One batch", () => {
      stop();
      run(1, 0);
    }),
    button("One epoch", () => {
      stop();
      run(perEpoch() - (state.step % perEpoch()), 0);
    }),
    button("Start over", () => begin({ ...asked, step: 0 })),
    part.speed,
  );
}

function settings() {
  const names = object => Object.entries(object),
    same = list => list.map(a => [a, a]);
  const fields = make(
    "div",
    { class: "fields" },
    choice("data", "set", names(SETS)),
    numeric("examples", "rows", 20, 5000, true),
    numeric("noise", "noise", 0, 2),
    numeric("held out", "test", 0.05, 0.8),
    choice("activation", "activation", same(ACTIVATIONS)),
    choice("optimizer", "optimizer", same(OPTIMIZERS)),
    numeric("rate", "rate", 1e-6, 100),
    numeric("batch", "batch", 1, 5000, true),
    numeric("decay", "decay", 0, 1),
    numeric("seed", "seed", 0, 1e9, true),
  );
  return make(
    "details",
    { class: "settings controls", open: matchMedia("(min-width: 56rem)").matches },
    make("summary", {}, "The data and how it learns"),
    fields,
    words(),
  );
}

function take(text) {
  try {
    const table = tableFrom(text);
    begin({ ...asked, set: "own", own: table.values, classes: table.classes, step: 0 });
    part.ownSays.textContent = table.said;
    refuse("");
  } catch (error) {
    refuse(error.message);
  }
}

const newPoint = (x, y) => [
  Number(x.toPrecision(5)),
  Number(y.toPrecision(5)),
  Number(part.newClass.value),
];

function addPoint(x, y) {
  if (![x, y].every(Number.isFinite)) return refuse("A point needs two numbers.");
  return takeOwn([...state.own, ...newPoint(x, y)]);
}

function takeOwn(own) {
  part.ownSays.textContent = `${own.length / 3} points.`;
  if (own.length < 18) {
    stop();
    state = asked = { ...state, own };
    data.train = own;
    data.test = [];
    drawPoints(part.points, own, [], range, 2);
    page.changed();
    return page.say(`${own.length / 3} points; six are needed to begin.`);
  }
  return begin({ ...asked, own, classes: Math.max(2, state.classes), step: 0 });
}

/* A stroke of the mouse, a finger or a pen puts a point where it begins, and another each time it
   has gone APART further; learning begins anew when it ends. */
const APART = 4;
function strokes() {
  let own = null,
    last = null;
  const put = ({ x, y }) => {
    if (x < 0 || x > 100 || y < 0 || y > 100 || own.length >= MOST_OWN) return;
    last = { x, y };
    own.push(
      ...newPoint(
        range[0] + ((range[1] - range[0]) * x) / 100,
        range[3] - ((range[3] - range[2]) * y) / 100,
      ),
    );
    drawPoints(part.points, own, [], range, Math.max(2, state.classes));
  };
  return drag()
    .container(() => part.over)
    .filter(event => state.set === "own" && !event.ctrlKey && !event.button)
    .on("start", event => {
      stop();
      own = [...state.own];
      last = { x: Infinity, y: 0 };
      put(event);
    })
    .on("drag", event => {
      if (Math.hypot(event.x - last.x, event.y - last.y) >= APART) put(event);
    })
    .on("end", () => {
      if (own.length > state.own.length) takeOwn(own);
    });
}

function ownPanel() {
  part.paste = make("textarea", {
    rows: 3,
    "aria-label": "a table of numbers",
    placeholder: "x, y, class  (one example a line)",
    class: "code",
  });
  const use = make("button", { type: "button" }, "Use this table"),
    file = make("input", {
      type: "file",
      accept: ".csv,.txt,.tsv",
      "aria-label": "a file with a table",
    });
  use.addEventListener("click", () => take(part.paste.value));
  file.addEventListener("change", async () => {
    if (file.files[0]) take(await file.files[0].text());
  });
  part.newClass = make("select", { "aria-label": "class of new points" });
  const x = make("input", { type: "text", size: 5, "aria-label": "x of a new point" }),
    y = make("input", { type: "text", size: 5, "aria-label": "y of a new point" }),
    add = make("button", { type: "button" }, "Add point"),
    none = make("button", { type: "button" }, "No points");
  add.addEventListener("click", () => addPoint(Number(x.value || "x"), Number(y.value || "x")));
  none.addEventListener("click", () => {
    stop();
    state = asked = { ...state, own: [], classes: 2 };
    data.train = [];
    data.test = [];
    range = [-1, 1, -1, 1];
    part.points.selectAll("path").remove();
    part.ownSays.textContent = "No points. Click on the plane to put some.";
  });
  part.ownSays = make("p", { class: "soft", role: "status" });
  part.ownPanel = make(
    "section",
    { class: "panel", "aria-label": "your own data", hidden: true },
    make(
      "p",
      {},
      "Paste a table, choose or drop a file, or click on the plane to put points of a class.",
    ),
    part.paste,
    make("p", { class: "fields" }, use, file),
    make(
      "p",
      { class: "fields" },
      make("label", {}, "new points are ", part.newClass),
      make("label", {}, "x ", x),
      make("label", {}, "y ", y),
      add,
      none,
    ),
    part.ownSays,
  );
  return part.ownPanel;
}

function plane() {
  part.canvas = make("canvas", { class: "map", "aria-hidden": "true" });
  const svg = create("svg")
    .attr("class", "over")
    .attr("viewBox", "0 0 100 100")
    .attr("preserveAspectRatio", "none")
    .attr("role", "img")
    .attr("aria-label", "the plane with the examples and the boundary");
  part.boundary = svg.append("path").attr("class", "boundary").node();
  part.points = svg.append("g");
  part.rings = svg.append("g");
  part.over = svg.node();
  svg.call(strokes()).style("touch-action", null); // by the class "draws", where it is wanted
  part.shown = make("p", { class: "soft" });
  return make(
    "div",
    { class: "plane" },
    (part.square = make("div", { class: "square" }, part.canvas, part.over)),
    part.shown,
  );
}

function networkBox() {
  part.layers = make("div", { class: "layers" });
  part.wires = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  part.wires.setAttribute("class", "wires");
  part.wires.setAttribute("role", "group");
  part.wires.setAttribute(
    "aria-label",
    "weights: up and down in a layer, left and right along a path",
  );
  part.network = make("div", { class: "trained" }, part.wires, part.layers);
  part.addLayer = make("button", { type: "button" }, "+ layer");
  part.addLayer.addEventListener("click", () => {
    if (asked.hidden.length < MOST_LAYERS)
      begin({ ...asked, hidden: [...asked.hidden, 4], step: 0 });
  });
  const less = make("button", { type: "button" }, "− layer");
  less.addEventListener("click", () => {
    if (asked.hidden.length > 0) begin({ ...asked, hidden: asked.hidden.slice(0, -1), step: 0 });
  });
  const chainOf = make("button", { type: "button" }, "Where a gradient comes from");
  chainOf.addEventListener("click", () => showChain(chain || reached, true));
  return make(
    "div",
    { class: "netside" },
    part.network,
    make("p", { class: "controls" }, less, " ", part.addLayer, " ", chainOf),
    chainPanel(),
    make(
      "p",
      { class: "soft" },
      "Click a unit to see what it says on the plane, a wire for where its gradient comes " +
        "from; with the keyboard, Tab to the wires, the arrows from one to the next, and Enter. " +
        "Dashed wires are weights below 0.",
    ),
  );
}

function chainPanel() {
  part.chainTitle = make("h2");
  part.chainText = make("div");
  const button = (text, does) => {
    const b = make("button", { type: "button" }, text);
    b.addEventListener("click", does);
    return b;
  };
  const lesson = button("Step through its first examples in A network learns", () => {
    if (batch) page.open("network", lessonPart());
  });
  const next = button("next weight", () => {
    const last = sizesOf(state).length - 1,
      after = neighbour(sizesOf(state), chain, "ArrowDown"),
      first = { l: chain.l < last ? chain.l + 1 : 1, j: 0, i: 0 };
    showChain(isSame(after, chain) ? first : after, true).then(() =>
      page.say(part.chain.innerText),
    );
  });
  const close = button("close", () => {
    hideChain();
    draw();
    part.play.focus();
  });
  part.chain = make(
    "section",
    { class: "panel", hidden: true, "aria-label": "where a gradient comes from" },
    part.chainTitle,
    part.chainText,
    make("p", { class: "fields" }, lesson, next, close),
  );
  return part.chain;
}

/* The plane as one picture, large enough to print: the lines over the colours. */
const planePicture = () => ({ scale: 6, below: part.canvas });

/* ---- the room -------------------------------------------------------------------------------- */

const between = (x, low, high) => typeof x === "number" && x >= low && x <= high;
const whole = (x, low, high) => Number.isInteger(x) && between(x, low, high);
/* The targets of one's own rows are classes that the network has outputs for, or any numbers where
   it predicts one. */
const ownFits = ({ own, classes }) =>
  Array.isArray(own) &&
  own.length <= MOST_OWN &&
  own.length % 3 === 0 &&
  own.every(x => between(x, -1e6, 1e6)) &&
  (classes === 0 || whole(classes, 2, MARK_NAMES.length)) &&
  own.every((x, k) => k % 3 !== 2 || classes === 0 || whole(x, 0, classes - 1));
function check(s) {
  const good =
    Object.hasOwn(SETS, s.set) &&
    whole(s.rows, 20, 5000) &&
    between(s.noise, 0, 2) &&
    between(s.test, 0.05, 0.8) &&
    Array.isArray(s.hidden) &&
    s.hidden.length <= MOST_LAYERS &&
    s.hidden.every(n => whole(n, 1, MOST_UNITS)) &&
    ACTIVATIONS.includes(s.activation) &&
    OPTIMIZERS.includes(s.optimizer) &&
    between(s.rate, 1e-6, 100) &&
    whole(s.batch, 1, 5000) &&
    between(s.decay, 0, 1) &&
    whole(s.seed, 0, 1e9) &&
    ownFits(s) &&
    whole(s.step, 0, 1e12);
  if (!good)
    throw new Error("This link holds no training that can be shown: it was changed on its way.");
}

export const training = {
  name: "training",
  title: "Training, live",

  mount(root, itsPage) {
    page = itsPage;
    trainer = new Trainer(page.compiled, document.getElementById("worker").textContent);
    part.error = make("p", { class: "error", role: "alert", hidden: true });
    part.intro = make("b", {});
    part.curves = make("div");
    part.norms = make("div");
    root.append(
      make("p", { class: "intro" }, part.intro, " ", MEANING),
      make("div", { class: "ask" }, settings(), ownPanel(), part.error, buttons(), part.numbers),
      make("div", { class: "stage" }, networkBox(), plane()),
      make(
        "div",
        { class: "charts" },
        make(
          "section",
          { class: "panel" },
          make("h2", {}, "Loss"),
          part.curves,
          make(
            "p",
            { class: "soft" },
            "Unbroken: the loss on the examples it learns from; dashed: on those held out; " +
              "dotted, by the scale on the right: the share of those that is right.",
          ),
        ),
        make(
          "section",
          { class: "panel" },
          make("h2", {}, "Gradients, layer by layer"),
          part.norms,
          make(
            "p",
            { class: "soft" },
            "The root of the mean square of the loss's derivatives by the weights of a layer. " +
              `Below ${VANISHES} it vanishes: the layer hardly learns. Above ${EXPLODES} it ` +
              "explodes.",
          ),
        ),
      ),
    );
    root.addEventListener("dragover", e => e.preventDefault());
    root.addEventListener("drop", async e => {
      e.preventDefault();
      const f = e.dataTransfer.files[0];
      if (f) take(await f.text());
    });
    addEventListener("resize", () => {
      places = null;
      if (!root.hidden && look) wires();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  },

  load(given) {
    const next = { ...initial(), ...given };
    check(next);
    if (next.set === "own" && next.own.length < 18) next.set = "moons";
    this.ready = begin(next);
  },

  part() {
    const base = initial(),
      out = {};
    for (const key of Object.keys(base))
      if (JSON.stringify(state[key]) !== JSON.stringify(base[key])) out[key] = state[key];
    return out;
  },

  key(event) {
    if (
      event.key !== " " ||
      event.target.matches("input, select, textarea, button, a, summary, [role=button]")
    )
      return false;
    event.preventDefault();
    playing ? stop() : play();
    return true;
  },
  enter() {
    places = null;
    if (look) draw();
  },
  leave() {
    stop();
  },
  now: () => ({ look, batch, data, history, busy, playing, apart: trainer.worker !== null }),

  exports: () => [
    {
      label: "The plane as SVG",
      file: "boundary.svg",
      type: "image/svg+xml",
      make: () => svgText(part.over, planePicture()),
    },
    {
      label: "The plane as PNG",
      file: "boundary.png",
      type: "image/png",
      make: () => pngOf(part.over, planePicture()),
    },
    {
      label: "The loss as PNG",
      file: "loss.png",
      type: "image/png",
      make: () => pngOf(part.curves.querySelector("svg")),
    },
    {
      label: "Data, settings, weights and history as JSON",
      file: "training.json",
      type: "application/json",
      make: () =>
        JSON.stringify(
          {
            format: "tapir-training/1",
            settings: { ...state, sizes: sizesOf(state) },
            data: { train: data.train, test: data.test },
            params: look.params,
            history,
          },
          null,
          1,
        ),
    },
    {
      label: "The history as CSV",
      file: "history.csv",
      type: "text/csv",
      make: () =>
        "epoch,loss,test_loss,test_accuracy\n" +
        history
          .map(h =>
            [h.epoch, h.loss, h.test, Number.isFinite(h.accuracy) ? h.accuracy : ""].join(","),
          )
          .join("\n") +
        "\n",
    },
    {
      label: "A C program that does the same",
      file: "training.c",
      type: "text/x-c",
      make: () => programOf(state, sizesOf(state), classesOf(state), data.train),
    },
  ],
};
