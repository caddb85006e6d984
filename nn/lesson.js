/* lesson.js - a network learns from examples, step by step: what the page of a lesson shows and what the playground's
   second room shows. The data are a lesson's JSON (nn_lesson_json).

   A step says which layers hold values, what is lit, which wishes stand as arrows at the units, how the wires are
   painted, and the words and numbers. Invariant: what is painted depends on the step alone, so that steps can be taken
   in any order. */
import { esc, make } from "../engine/explain/page.js";
import { Player } from "../engine/explain/player.js";

/* Of a layer so many units are drawn, and so many of them ask in turn. */
const DRAWN = 12, ASKERS = 10, LISTED = 24;
const WIDE = 170, HIGH = 52, RADIUS = 17, LEFT = 96;

/* Cut before it is escaped, and between characters. */
function shortName(s) {
  const c = [...s];
  return esc(c.length > 18 ? c.slice(0, 17).join("") + "…" : s);
}
export function four(x) {
  const t = Math.abs(x) !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5) ? x.toExponential(2) : x.toFixed(4);
  return t.replace(/^-(0\.0*)$/, "$1");
}
function wish(x) {
  return x === 0 ? `<span class="soft">0</span>`
    : `<span class="${x > 0 ? "upward" : "downward"}">${x > 0 ? "▲" : "▼"} ${four(x)}</span>`;
}
const tableOf = (caption, head, body) => `<table><caption>${caption}</caption><thead><tr>${head.map(h =>
  `<th scope="col">${h}</th>`).join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
const rowOf = (cells, kind) => `<tr${kind ? ` class="${kind}"` : ""}>${cells.map(c => `<td>${c}</td>`).join("")}</tr>`;

/* What each activation is, in words, beside its name. */
const FUNCTIONS = { identity: "z itself", tanh: "tanh(z), between -1 and 1", sigmoid: "1/(1 + exp(-z)), between 0 and 1",
  relu: "z, or 0 where z is below 0" };

export class LessonSteps {
  /* options: chosen(what) is called when a unit or a wire is clicked: { l, j } or { l, j, i }; said(text, step) */
  constructor(root, options = {}) {
    this.options = options;
    const bar = make("div", { class: "bar" });
    this.player = new Player(bar, (at, from) => this.paint(at, from));
    this.select = make("select", { id: "example" });
    this.which = make("label", { id: "which" }, "example ", this.select);
    this.select.addEventListener("change", () => this.choose(Number(this.select.value)));
    bar.append(this.which);
    this.now = make("div", { id: "now", class: "now", "aria-live": "polite" });
    this.net = make("div", { id: "net", class: "net" });
    this.numbers = make("div", { id: "numbers", class: "numbers" });
    root.append(bar, this.now, make("div", { class: "both" }, this.net, this.numbers));
    this.example = 0;
  }

  set(lesson, place = 0) {
    this.lesson = lesson;
    this.batch = lesson.examples;
    this.sizes = lesson.sizes;
    this.layers = lesson.layers.length;
    this.example = Math.min(this.example, this.batch.length - 1);
    this.drawn = this.sizes.map((n, l) => l === 0 && lesson.image > 0 ? [] : this.mostWished(l));
    this.select.replaceChildren(...this.batch.map((e, k) =>
      make("option", { value: k }, `${k + 1} of ${this.batch.length}: row ${e.row}`)));
    this.select.value = this.example;
    this.which.hidden = this.batch.length < 2;
    const shape = JSON.stringify([this.sizes, this.drawn, lesson.inputs, lesson.outputs, lesson.image]);
    if (shape !== this.shape) this.draw();      // else only numbers change, and what is being dragged stays
    this.shape = shape;
    this.choose(this.example, place);
  }

  choose(k, place = this.player.at) {
    this.example = k;
    this.select.value = k;
    this.makeSteps();
    this.player.reset(this.steps.length, this.phases, place);
  }

  key(event) { return this.player.key(event); }

  nameOf(l, j) {
    return l === 0 ? this.lesson.inputs[j] : l === this.layers ? this.lesson.outputs[j] : `h${l}.${j + 1}`;
  }
  activation(e, l, i) { return l === 0 ? e.input[i] : e.layers[l - 1].a[i]; }

  /* The units that are drawn: all of a small layer, of a large one those with the largest wishes of the batch. */
  mostWished(l) {
    const n = this.sizes[l];
    const weight = j => this.batch.reduce((s, e) => s + Math.abs(l === 0 ? e.input[j] : e.layers[l - 1].da[j]), 0);
    return [...Array(n).keys()].sort((a, b) => weight(b) - weight(a) || a - b).slice(0, DRAWN).sort((a, b) => a - b);
  }

  /* ---- the drawing ---- */

  place(l, k) { return [LEFT + l*WIDE, this.height/2 + (k - (this.drawn[l].length - 1)/2)*HIGH]; }

  draw() {
    const rows = Math.max(...this.drawn.map(d => d.length), this.lesson.image > 0 ? 5 : 0);
    this.height = rows*HIGH + 40;
    this.net.innerHTML = `<svg viewBox="0 0 ${LEFT + this.layers*WIDE + 130} ${this.height}" role="group" aria-label="the network">` +
      this.wiresMarkup() + (this.lesson.image > 0 ? this.imageMarkup() : "") + this.unitsMarkup() + "</svg>";
    this.wire = new Map([...this.net.querySelectorAll("line[data-w]")].map(line => [line.dataset.w, line]));
    this.unit = new Map([...this.net.querySelectorAll(".unit")].map(unit => [unit.dataset.u, unit]));
    this.listen();
  }

  wiresMarkup() {
    let s = "";
    for (let l = 0; l < this.layers; l++) this.drawn[l + 1].forEach((j, kj) => this.drawn[l].forEach((i, ki) => {
      const [x1, y1] = this.place(l, ki), [x2, y2] = this.place(l + 1, kj);
      s += `<line class="wire" data-w="${l}_${j}_${i}" x1="${x1 + RADIUS}" y1="${y1}" x2="${x2 - RADIUS}" y2="${y2}"/>`;
    }));
    return s;
  }

  imageMarkup() {
    const n = this.lesson.image, side = 112/n, top = this.height/2 - 56;
    let s = "";
    for (let i = 0; i < n*n; i++)
      s += `<rect class="pixel" x="${LEFT - 80 + i%n*side}" y="${top + Math.floor(i/n)*side}" width="${side}" height="${side}"/>`;
    this.drawn[1].forEach((j, k) => {
      const [x, y] = this.place(1, k);
      s += `<line class="wire bundle" data-b="${j}" x1="${LEFT + 34}" y1="${this.height/2}" x2="${x - RADIUS}" y2="${y}"/>`;
    });
    return s + `<text class="name" x="${LEFT - 24}" y="${top - 8}" text-anchor="middle">locked</text>`;
  }

  unitsMarkup() {
    let s = "";
    this.drawn.forEach((units, l) => {
      units.forEach((j, k) => {
        const [x, y] = this.place(l, k);
        const end = l === 0 ? `<text class="name" x="${x - RADIUS - 6}" y="${y + 4}" text-anchor="end">${shortName(this.nameOf(0, j))}</text>`
          : l === this.layers ? `<text class="name" x="${x + RADIUS + 30}" y="${y + 4}">${shortName(this.nameOf(l, j))}</text>`
          : `<text class="name" x="${x}" y="${y - RADIUS - 5}" text-anchor="middle">${this.nameOf(l, j)}</text>`;
        s += `<g class="unit" id="u${l}_${j}" data-u="${l}_${j}" tabindex="0" role="${this.options.chosen ? "button" : "img"}"><circle cx="${x}" cy="${y}" r="${RADIUS}"/>` +
          `<text class="a" x="${x}" y="${y}"></text><path class="arrow" id="a${l}_${j}"/>${end}</g>`;
      });
      if (units.length > 0 && units.length < this.sizes[l])
        s += `<text class="name" x="${this.place(l, 0)[0]}" y="${this.height - 6}" text-anchor="middle">${units.length} of ${this.sizes[l]} shown</text>`;
      if (l === 0 && this.lesson.image === 0)
        s += `<text class="name" x="${LEFT}" y="${this.place(0, 0)[1] - RADIUS - 8}" text-anchor="middle">locked</text>`;
    });
    return s;
  }

  listen() {
    const chosen = this.options.chosen;
    if (!chosen) return;
    for (const [key, unit] of this.unit) {
      const [l, j] = key.split("_").map(Number);
      unit.addEventListener("click", () => chosen({ l, j }));
      unit.addEventListener("keydown", e => {
        if (e.key === "Enter" || e.key === " ") { e.preventDefault(); e.stopPropagation(); chosen({ l, j }); }
      });
    }
    for (const [key, line] of this.wire) {
      const [l, j, i] = key.split("_").map(Number);
      line.addEventListener("click", () => chosen({ l: l + 1, j, i }));
    }
  }

  /* ---- painting ---- */

  paintWires(after) {
    for (const [key, line] of this.wire) {
      const [l, j, i] = key.split("_").map(Number), layer = this.lesson.layers[l];
      const most = Math.max(...layer.weight.map(Math.abs), 1e-300), x = (after ? layer.new_weight : layer.weight)[j*this.sizes[l] + i];
      line.setAttribute("class", "wire" + (x < 0 ? " minus" : ""));
      line.setAttribute("stroke-width", (.6 + 3.4*Math.min(1, Math.abs(x)/most)).toFixed(2));
    }
  }

  paintUnit(l, j, value, e, w) {
    const unit = this.unit.get(`${l}_${j}`), circle = unit.querySelector("circle"), text = unit.querySelector(".a");
    const asks = w && w[0] !== 0 ? `, should go ${w[0] > 0 ? "up" : "down"} by ${four(Math.abs(w[0]))}` : "";
    unit.setAttribute("aria-label", `${this.nameOf(l, j)}${value === undefined ? "" : ", activation " + four(value)}${asks}`);
    if (value === undefined) { circle.style.fill = "var(--hole)"; text.textContent = ""; return; }
    const range = Math.max(...Array.from({ length: this.sizes[l] }, (_, i) => Math.abs(this.activation(e, l, i))), 1e-9);
    circle.style.fill = `rgb(var(--${value < 0 ? "minus" : "plus"}) / ${(.06 + .5*Math.min(1, Math.abs(value)/range)).toFixed(2)})`;
    text.textContent = Math.abs(value) < 100 ? value.toFixed(2) : value.toPrecision(3);
  }

  paintArrow(l, j, x, most) {
    const path = this.unit.get(`${l}_${j}`).querySelector(".arrow");
    path.setAttribute("class", x > 0 ? "arrow up" : "arrow down");
    if (x === undefined || x === 0) { path.setAttribute("d", ""); path.setAttribute("class", "arrow"); return; }
    const [cx, cy] = this.place(l, this.drawn[l].indexOf(j)), size = 5 + 9*Math.min(1, Math.abs(x)/(most || 1)), left = cx + RADIUS + 12;
    path.setAttribute("d", x > 0 ? `M${left} ${cy - size}l${size*.7} ${size*2}h${-size*1.4}z` : `M${left} ${cy + size}l${size*.7} ${-size*2}h${-size*1.4}z`);
  }

  /* Wires as what each weight should do: its direction and size, all others faint. */
  paintNudges(nudges) {
    for (const line of this.wire.values()) line.classList.add("dim");
    const most = Math.max(...nudges.map(n => Math.abs(n[3])), 1e-300);
    for (const [l, j, i, x] of nudges) {
      const line = this.wire.get(`${l}_${j}_${i}`);
      line.setAttribute("class", "wire lit " + (x > 0 ? "up" : x < 0 ? "down" : "dim"));
      line.setAttribute("stroke-width", (.8 + 4*Math.abs(x)/most).toFixed(2));
    }
  }

  paintImage(e, s) {
    const most = Math.max(...e.input.map(Math.abs), 1e-9);
    this.net.querySelectorAll(".pixel").forEach((pixel, i) => { pixel.style.fillOpacity = (Math.abs(e.input[i])/most).toFixed(2); });
    this.net.querySelectorAll(".bundle").forEach(line => line.setAttribute("class", "wire bundle" +
      (s.bundle === Number(line.dataset.b) || s.wires === 0 ? " lit" : s.bundle !== undefined ? " dim" : "")));
  }

  paint(at, from) {
    const s = this.steps[at], e = this.batch[s.example];
    this.paintWires(s.after);
    this.unit.forEach(u => u.classList.remove("lit"));
    this.drawn.forEach((units, l) => units.forEach(j => {
      const w = s.after ? undefined : s.wishes.get(l + "_" + j);
      this.paintUnit(l, j, l > s.known && !(s.units || []).includes(l + "_" + j) ? undefined : s.after && l > 0 ? e.layers[l - 1].a_after[j] : this.activation(e, l, j), e, w);
      this.paintArrow(l, j, w && w[0], w && w[1]);
    }));
    if (this.lesson.image > 0) this.paintImage(e, s);
    s.lit.forEach(([l, j]) => this.unit.get(`${l}_${j}`)?.classList.add("lit"));
    (s.wires || []).forEach(key => this.wire.get(key)?.classList.add("lit"));
    if (s.nudges.length > 0) this.paintNudges(s.nudges);
    this.now.className = "now " + s.kind;
    this.now.innerHTML = s.html;
    this.numbers.innerHTML = s.numbers;
    this.options.said?.(this.now.textContent + " " + this.numbers.innerText, at);
    const shown = s.lit.length > 0 && this.unit.get(s.lit[0].join("_"));
    if (from >= 0 && shown) this.inView(shown);
  }

  inView(element) {
    const inside = element.getBoundingClientRect(), around = this.net.getBoundingClientRect();
    if (inside.left < around.left || inside.right > around.right) this.net.scrollLeft += (inside.left + inside.right - around.left - around.right)/2;
    element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /* ---- tables that stand alone ---- */

  /* The weighted sum of a unit, term by term. */
  termTable(e, l, j) {
    const n = this.sizes[l - 1], layer = this.lesson.layers[l - 1], here = e.layers[l - 1], rows = [];
    const order = n <= LISTED ? [...Array(n).keys()] : [...Array(n).keys()].sort((a, b) =>
      Math.abs(layer.weight[j*n + b]*this.activation(e, l - 1, b)) - Math.abs(layer.weight[j*n + a]*this.activation(e, l - 1, a))).slice(0, 10).sort((a, b) => a - b);
    let sum = 0;
    for (const i of order) {
      const w = layer.weight[j*n + i], a = this.activation(e, l - 1, i);
      sum += w*a;
      rows.push(rowOf([esc(this.nameOf(l - 1, i)), four(w), four(a), four(w*a), n <= LISTED ? four(sum) : ""]));
    }
    if (n > order.length) rows.push(rowOf([`${n - order.length} more`, "", "", four(here.z[j] - layer.bias[j] - sum), ""]));
    rows.push(rowOf(["bias", four(layer.bias[j]), "1", four(layer.bias[j]), four(here.z[j])]));
    rows.push(rowOf(["z", "", "", "", four(here.z[j])], "sum"), rowOf([`a = ${this.lesson.activations[l - 1] === "identity" ? "z" : this.lesson.activations[l - 1] + "(z)"}`, "", "", "", four(here.a[j])], "sum"));
    return tableOf(`${esc(this.nameOf(l, j))}: its weighted sum, term by term`, ["from", "weight w", "activation a", "w · a", "sum so far"], rows);
  }

  softmaxTable(e) {
    const z = e.layers[this.layers - 1].a, most = Math.max(...z), total = z.reduce((s, x) => s + Math.exp(x - most), 0);
    return tableOf("softmax: from outputs to probabilities", ["output", "value", "exp(value − largest)", "divided by the sum"],
      z.slice(0, LISTED).map((x, j) => rowOf([esc(this.nameOf(this.layers, j)), four(x), four(Math.exp(x - most)), four(e.guess[j])]))
        .concat([rowOf(["sum", "", four(total), "1.0000"], "sum")]));
  }

  /* ---- the steps ---- */

  makeSteps() {
    const e = this.batch[this.example];
    this.steps = [];
    this.wishes = new Map();
    this.phases = [];
    this.phase("inputs");
    this.add({ known: 0, html: `<p>The inputs of this example${this.lesson.image > 0 ? ", a picture," : ""} are <b>locked</b>: learning never changes them. Everything else follows from them.</p>`,
      numbers: this.lesson.image > 0 ? "" : tableOf("inputs", ["input", "value"], e.input.slice(0, LISTED).map((x, i) => rowOf([esc(this.lesson.inputs[i]), four(x)]))) });
    this.phase("forward");
    for (let l = 1; l <= this.layers; l++) this.forwardSteps(e, l);
    this.lossSteps(e);
    this.phase("backward");
    this.backwardSteps(e);
    this.phase(this.batch.length > 1 ? "batch" : "step");
    const changes = this.changes();
    if (this.batch.length > 1) this.batchSteps(changes);
    this.lastStep(e, changes);
  }
  phase(name) { this.phases.push({ name, at: this.steps.length }); }
  add(step) {
    this.steps.push({ known: this.layers, lit: [], nudges: [], after: false, kind: "", example: this.example, ...step, wishes: step.wishes || new Map(this.wishes) });
  }
  all(l) { return this.drawn[l].map(j => [l, j]); }

  forwardSteps(e, l) {
    const name = this.lesson.activations[l - 1], j = this.drawn[l][0], first = esc(this.nameOf(l, j));
    this.add({ kind: "forward", known: l - 1, units: [`${l}_${j}`], lit: [[l, j]], wires: this.drawn[l - 1].map(i => `${l - 1}_${j}_${i}`), bundle: l === 1 && this.lesson.image > 0 ? j : undefined,
      html: `<p><b>Forward</b>, the unit <b>${first}</b>: each activation before it times the weight between them, w · a; all of these and the bias add up to z. Its activation is ${FUNCTIONS[name] || name + "(z)"}.</p>`,
      numbers: this.termTable(e, l, j) });
    this.add({ kind: "forward", known: l, lit: this.all(l), wires: this.drawn[l].flatMap(j => this.drawn[l - 1].map(i => `${l - 1}_${j}_${i}`)),
      html: `<p><b>Forward</b>, layer ${l}: every unit does the same with weights of its own.</p>`,
      numbers: tableOf(`layer ${l}`, ["unit", "z", "activation a"], this.drawn[l].slice(0, LISTED).map(j => rowOf([esc(this.nameOf(l, j)), four(e.layers[l - 1].z[j]), four(e.layers[l - 1].a[j])]))) });
  }

  lossSteps(e) {
    const L = this.layers, squares = this.lesson.loss === "squares";
    if (!squares) this.add({ kind: "forward", lit: this.all(L), numbers: this.softmaxTable(e),
      html: `<p><b>Softmax</b> makes probabilities of the outputs: exp of each, so that all are above 0, divided by their sum, so that they add up to 1. The largest is subtracted first: that changes nothing, and nothing overflows.</p>` });
    const right = e.wanted.indexOf(1);
    this.add({ kind: "forward", lit: this.all(L),
      html: `<p><b>The loss</b> says how far off the outputs are: ${squares ? "C = sum of (output - wanted)²" : `C = -log(the probability given to the right class)${right >= 0 ? ` = -log(${four(e.guess[right])})` : ""}`} = <b>${four(e.loss)}</b>.</p>`,
      numbers: tableOf("outputs", ["output", squares ? "output" : "probability", "wanted"], this.drawn[L].slice(0, LISTED).map(j => rowOf([esc(this.nameOf(L, j)), four(e.guess[j]), four(e.wanted[j])]))) });
  }

  backwardSteps(e) {
    const L = this.layers, last = e.layers[L - 1];
    this.drawn[L].forEach(j => this.wishes.set(L + "_" + j, [-last.da[j], Math.max(...last.da.map(Math.abs))]));
    this.add({ kind: "back", lit: this.all(L), html: `<p><b>Backward</b> begins at the right. Each output should go up or down to lower the loss, some more urgently than others. That is its <b>wish</b>: the negative gradient, -dC/da${this.lesson.loss === "squares" ? " = -2 (output - wanted)" : " = wanted - probability"}.</p>`,
      numbers: tableOf("what the outputs should do", ["output", "wish -dC/da"], this.drawn[L].slice(0, LISTED).map(j => rowOf([esc(this.nameOf(L, j)), wish(-last.da[j])]))) });
    for (let l = L - 1; l >= 0; l--) this.askSteps(e, l);
  }

  /* The units of layer l + 1 ask in turn; then their wishes have added up. */
  askSteps(e, l) {
    const here = e.layers[l], n = this.sizes[l], w = this.lesson.layers[l].weight, sum = new Array(n).fill(0);
    const order = [...this.drawn[l + 1]].sort((a, b) => Math.abs(here.dz[b]) - Math.abs(here.dz[a])).slice(0, ASKERS).sort((a, b) => a - b);
    const columns = l === 0 && this.lesson.image > 0 ? [...Array(n).keys()].sort((a, b) => Math.abs(e.input[b]) - Math.abs(e.input[a])).slice(0, 8) : this.drawn[l];
    const part = order.length < this.sizes[l + 1] ? ` of the ${order.length} of ${this.sizes[l + 1]} units that are shown` : "";
    order.forEach((j, turn) => {
      for (let i = 0; i < n; i++) sum[i] -= here.dz[j]*w[j*n + i];
      const most = Math.max(...sum.map(Math.abs), 1e-300);
      if (l > 0) this.drawn[l].forEach(i => this.wishes.set(l + "_" + i, [sum[i], most]));
      this.add({ kind: "back", lit: [[l + 1, j]], nudges: this.drawn[l].map(i => [l, j, i, -here.dweight[j*n + i]]), bundle: l === 0 && this.lesson.image > 0 ? j : undefined,
        html: `<p><b>${esc(this.nameOf(l + 1, j))}</b> ${here.dz[j] === 0 ? "asks for nothing" : `wants its sum z to go <b>${here.dz[j] < 0 ? "up" : "down"}</b> (-dC/dz = ${four(-here.dz[j])})`}.
          It asks that of each weight in proportion to the activation the weight carries${l > 0 ? ", and of each activation before in proportion to the weight between them; the wishes add up" : "; the inputs are locked, so of them it asks nothing"}.</p>`,
        numbers: tableOf(`what ${esc(this.nameOf(l + 1, j))} asks`, ["from", "a", "weight", "weight should", ...(l > 0 ? ["a should", `sum so far${turn === order.length - 1 ? part : ""}`] : [])],
          columns.slice(0, LISTED).map(i => rowOf([esc(this.nameOf(l, i)), four(this.activation(e, l, i)), four(w[j*n + i]), wish(-here.dweight[j*n + i]), ...(l > 0 ? [wish(-here.dz[j]*w[j*n + i]), wish(sum[i])] : [])]))
            .concat([rowOf(["bias", "1", four(this.lesson.layers[l].bias[j]), wish(-here.dbias[j]), ...(l > 0 ? ["", ""] : [])])])) });
    });
    if (l === 0) return;
    const before = e.layers[l - 1], most = Math.max(...before.da.map(Math.abs));
    this.drawn[l].forEach(i => this.wishes.set(l + "_" + i, [-before.da[i], most]));
    this.add({ kind: "back", lit: this.all(l), html: `<p>The wishes of <b>all ${this.sizes[l + 1]}</b> units of layer ${l + 1}, added up, are what each activation of layer ${l} should do. It cannot be changed directly: times the slope of ${this.lesson.activations[l - 1]} it becomes the wish of its sum z, and that goes on to the left.</p>`,
      numbers: tableOf(`layer ${l}`, ["unit", "sum of wishes -dC/da", "slope", "-dC/dz"], this.drawn[l].slice(0, LISTED).map(i => rowOf([esc(this.nameOf(l, i)), wish(-before.da[i]), before.da[i] === 0 ? "" : four(before.dz[i]/before.da[i]), wish(-before.dz[i])]))) });
  }

  /* Weights and biases with the largest mean derivatives: { l, j, i (-1: the bias), old, mean, next }. */
  changes() {
    const list = this.lesson.layers.flatMap((layer, l) => layer.weight.map((w, k) =>
      ({ l, j: Math.floor(k/this.sizes[l]), i: k%this.sizes[l], old: w, mean: layer.mean_dweight[k], next: layer.new_weight[k] }))
      .concat(layer.bias.map((b, j) => ({ l, j, i: -1, old: b, mean: layer.mean_dbias[j], next: layer.new_bias[j] }))));
    return list.sort((a, b) => Math.abs(b.mean) - Math.abs(a.mean)).slice(0, 10);
  }
  changeName(c) { return c.i < 0 ? `bias of ${esc(this.nameOf(c.l + 1, c.j))}` : `${esc(this.nameOf(c.l + 1, c.j))} ← ${esc(this.nameOf(c.l, c.i))}`; }
  derivative(e, c) { return c.i < 0 ? e.layers[c.l].dbias[c.j] : e.layers[c.l].dweight[c.j*this.sizes[c.l] + c.i]; }
  allNudges(of) { return this.drawn.slice(1).flatMap((units, l) => units.flatMap(j => this.drawn[l].map(i => [l, j, i, -of(l)[j*this.sizes[l] + i]]))); }

  batchSteps(changes) {
    const columns = changes.slice(0, 4), mean = columns.map(() => 0), body = [];
    const heads = ["row", "C", ...columns.map(c => this.changeName(c))], caption = "derivatives dC/dw of the weights with the largest means";
    this.batch.forEach((x, k) => {
      columns.forEach((c, i) => { mean[i] += this.derivative(x, c); });
      body.push(rowOf([x.row, four(x.loss), ...columns.map(c => four(this.derivative(x, c)))]));
      const wishes = new Map(this.drawn.slice(1).flatMap((units, l) => units.map(j => [(l + 1) + "_" + j, [-x.layers[l].da[j], Math.max(...x.layers[l].da.map(Math.abs))]])));
      this.add({ kind: "step", example: k, wishes, nudges: this.allNudges(l => x.layers[l].dweight),
        html: `<p><b>The batch</b>: every example has wishes of its own. Example ${k + 1} of ${this.batch.length} is in the picture; the mean of all so far stands below.</p>`,
        numbers: tableOf(caption, heads, body.concat([rowOf(["mean", four(this.batch.slice(0, k + 1).reduce((s, y) => s + y.loss, 0)/(k + 1)), ...mean.map(m => four(m/(k + 1)))], "sum")])) });
    });
    this.add({ kind: "step", wishes: new Map(), nudges: this.allNudges(l => this.lesson.layers[l].mean_dweight),
      html: `<p>All have spoken: the wires show the <b>mean</b>. The mean of the gradients <b>is</b> the gradient of the mean loss: computed in one sweep over all examples it differs by at most ${this.lesson.gap.toExponential(0)}.</p>`,
      numbers: tableOf(caption, heads, body.concat([rowOf(["mean", four(this.lesson.mean_loss), ...columns.map(c => four(c.mean))], "sum")])) });
  }

  lastStep(e, changes) {
    const many = this.batch.length > 1, { mean_loss: before, mean_loss_after: after, rate } = this.lesson;
    this.add({ kind: "step", after: true, html: `<p><b>The step</b>: every weight and bias moves a little against its derivative, new = old - ${rate} · dC/dw${many ? " (the mean over the batch)" : ""}.
      ${many ? "The mean loss" : "The loss"} goes from ${four(before)} to <b>${four(after)}</b>${many ? `, that of this example from ${four(e.loss)} to ${four(e.loss_after)}` : ""}${after < before ? "." : after > before ? ": too large a step." : ": too small a step to see."}</p>`,
      numbers: tableOf("the largest changes, of weights and biases", ["weight", "old", "dC/dw", "new"], changes.map(c => rowOf([this.changeName(c), four(c.old), four(c.mean), four(c.next)]))) });
  }
}
