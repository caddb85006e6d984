/* lesson_steps.js - the story of a lesson as a list of steps: forward term by term, the loss,
   backward, the batch, the step of gradient descent.

   A step says which units hold values (`known`: a layer, and how many of its drawn units),
     what is `lit`, which wishes
   stand as arrows, what is asked of weights, whose `example` the picture shows,
     and makes its `words` and `numbers`
   when it is shown. `said` is what a screen reader is told of the values that it changes.
   Invariant: a step can be shown without those before it. */
import { make } from "../engine/explain/page.js";
import { activationCurves, largest, num, parameterKeys } from "./lesson_data.js";
import { mathOf } from "./lesson_origin.js";

const MOST_ROWS = 24,
  MOST_ASKERS = 10,
  MOST_TERMS_SHOWN = 8,
  MOST_TERM_STEPS = 6,
  COLUMNS_OF_BATCH = 4,
  MOST_CHANGES = 10;

/* ---- pieces of markup ------------------------------------------------------------------------ */

const bold = text => make("b", {}, text);
const para = (...parts) => make("p", {}, ...parts);
/* A number that says where it comes from when it is pressed. */
const numberOf = (d, e, key) =>
  make("button", { type: "button", class: "from", "data-key": key }, num(d.value(e, key)));

/* What should go up or down: the sign, an arrow, the size. */
function wishOf(x, key) {
  if (x === 0) return make("span", { class: "soft" }, "0");
  const text = (x > 0 ? "▲ " : "▼ ") + num(x),
    way = x > 0 ? "upward" : "downward";
  return key
    ? make("button", { type: "button", class: "from " + way, "data-key": key }, text)
    : make("span", { class: way }, text);
}

function tableOf(caption, head, rows) {
  const cells = row =>
    row.cells.map((c, k) => make(k === 0 ? "th" : "td", k === 0 ? { scope: "row" } : {}, c));
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map(h => make("th", { scope: "col" }, h)))),
    make(
      "tbody",
      {},
      ...rows.map(row => make("tr", row.kind ? { class: row.kind } : {}, ...cells(row))),
    ),
  );
}
const rowOf = (...cells) => ({ cells });
const sumRow = (...cells) => ({ cells, kind: "sum" });

/* The curve of an activation, and the place on it. */
function curveOf(name, z, a) {
  const f = activationCurves[name];
  if (!f || name === "identity") return "";
  const SVG = "http://www.w3.org/2000/svg",
    reach = Math.max(3, 1.3 * Math.abs(z));
  const points = [...Array(81).keys()].map(k => {
    const x = reach * (k / 40 - 1);
    return [x, f(x)];
  });
  const low = Math.min(0, a, ...points.map(p => p[1])),
    high = Math.max(0, a, ...points.map(p => p[1])),
    x = v => 80 + (72 * v) / reach,
    y = v => 84 - (76 * (v - low)) / (high - low || 1);
  const shape = (tag, at) => {
    const s = document.createElementNS(SVG, tag);
    Object.entries(at).forEach(([k, v]) => s.setAttribute(k, v));
    return s;
  };
  const svg = shape("svg", {
    viewBox: "0 0 160 92",
    class: "curve",
    role: "img",
    "aria-label": `${name} at z = ${num(z)} is ${num(a)}`,
  });
  svg.append(
    shape("path", { class: "axis", d: `M8 ${y(0)}H152M80 4V88` }),
    shape("path", {
      class: "line",
      d: "M" + points.map(p => `${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("L"),
    }),
    shape("path", { class: "to", d: `M${x(z)} ${y(0)}V${y(a)}H80` }),
    shape("circle", { cx: x(z), cy: y(a), r: 4 }),
  );
  return svg;
}

/* ---- the story ------------------------------------------------------------------------------- */

class Story {
  constructor(data, example, notes) {
    this.d = data;
    this.e = data.batch[example];
    this.example = example;
    this.notes = notes;
    this.steps = [];
    this.wishes = new Map();
    this.phases = [];
  }

  add(step) {
    this.steps.push({
      example: this.example,
      known: [this.d.depth, Infinity],
      lit: [],
      kind: "",
      numbers: () => "",
      said: "",
      ...step,
      wishes: new Map(this.wishes),
    });
  }
  phase(name) {
    this.phases.push({ name, at: this.steps.length });
  }

  tell() {
    this.phase("inputs");
    this.inputs();
    this.phase("forward");
    for (let l = 1; l <= this.d.depth; l++) this.layerForward(l);
    this.phase("loss");
    if (!this.d.squares) this.softmax();
    this.loss();
    this.phase("backward");
    this.outputWishes();
    for (let l = this.d.depth; l > 0; l--) this.layerBackward(l);
    if (this.d.batch.length > 1) this.batch();
    this.phase("step");
    this.descend();
    return this;
  }

  inputs() {
    const { d, e } = this;
    this.add({
      known: [0, Infinity],
      said: d.picture ? "" : e.input.map((x, i) => `${d.name(0, i)} ${num(x)}`).join(", "),
      words: () => [
        para(
          "The inputs of this example",
          d.picture ? ", a picture," : "",
          " are ",
          bold("locked"),
          ": learning never changes them. All else follows from them and from the weights.",
        ),
        ...(this.notes.inputs ? [para(this.notes.inputs)] : []),
      ],
      numbers: () =>
        d.picture
          ? ""
          : tableOf(
              e.input.length > MOST_ROWS
                ? `inputs: ${MOST_ROWS} of ${e.input.length} are listed`
                : "inputs",
              ["input", "value"],
              e.input
                .slice(0, MOST_ROWS)
                .map((_, i) => rowOf(d.name(0, i), numberOf(d, this.example, `x:0:${i}`))),
            ),
    });
  }

  /* ---- forward ----------------------------------------------------------------------------- */

  layerForward(l) {
    this.d.drawn[l].forEach((j, k) => {
      if (k === 0 && this.d.sizes[l - 1] <= MOST_TERM_STEPS) this.termByTerm(l, j);
      this.unitForward(l, j, k);
    });
  }

  /* The units whose terms are listed: of many those with the largest terms. */
  termsOf(l, j) {
    const { d, example } = this,
      term = i => d.value(example, `w:${l}:${j}:${i}`) * d.value(example, `a:${l - 1}:${i}`);
    const all = [...Array(d.sizes[l - 1]).keys()].map(i => [i, term(i)]);
    if (all.length <= 12) return { listed: all, rest: [] };
    const order = [...all].sort((x, y) => Math.abs(y[1]) - Math.abs(x[1]));
    return {
      listed: order.slice(0, MOST_TERMS_SHOWN).sort((x, y) => x[0] - y[0]),
      rest: order.slice(MOST_TERMS_SHOWN),
    };
  }

  /* The table of a unit's sum, as far as it has been added up: so many terms, Infinity for the
     bias and the sum too. */
  sumTable(l, j, count) {
    const { d, example } = this,
      { listed, rest } = this.termsOf(l, j);
    let sum = 0;
    const rows = listed
      .slice(0, count)
      .map(([i, term]) =>
        rowOf(
          d.name(l - 1, i),
          numberOf(d, example, `w:${l}:${j}:${i}`),
          numberOf(d, example, `${l === 1 ? "x" : "a"}:${l - 1}:${i}`),
          num(term),
          num((sum += term)),
        ),
      );
    if (rest.length > 0) {
      const others = rest.reduce((s, [, term]) => s + term, 0);
      rows.push(rowOf(`${rest.length} more`, "", "", num(others), num((sum += others))));
    }
    if (count === Infinity)
      rows.push(
        rowOf(
          "bias",
          numberOf(d, example, `b:${l}:${j}`),
          "",
          num(d.value(example, `b:${l}:${j}`)),
          "",
        ),
        sumRow("sum z", "", "", "", numberOf(d, example, `z:${l}:${j}`)),
      );
    return tableOf(
      `the sum of ${d.name(l, j)}`,
      ["from", "weight w", "a", "w · a", "sum so far"],
      rows,
    );
  }

  termByTerm(l, j) {
    const { d, example } = this,
      name = d.name(l, j);
    this.termsOf(l, j).listed.forEach(([i, term], k) =>
      this.add({
        kind: "forward",
        known: [l, 0],
        lit: [[l, j]],
        lines: new Set([`${l}_${j}_${i}`]),
        said: `term ${k + 1}: ${num(term)}`,
        words: () => [
          para(
            bold("Forward. "),
            `${l < d.depth ? `${name}, unit ${j + 1} of layer ${l},` : `Output ${name}`} adds ` +
              "up: for each unit to the left, the weight of the line times its activation. " +
              `Term ${k + 1}, from ${d.name(l - 1, i)}:`,
          ),
          para(
            mathOf(
              "w",
              "·",
              "a",
              "=",
              d.value(example, `w:${l}:${j}:${i}`),
              "·",
              ["row", "(", d.value(example, `a:${l - 1}:${i}`), ")"],
              "=",
              term,
            ),
          ),
        ],
        numbers: () => this.sumTable(l, j, k + 1),
      }),
    );
  }

  unitForward(l, j, k) {
    const { d, example } = this,
      name = d.name(l, j),
      f = d.activation(l),
      z = d.value(example, `z:${l}:${j}`),
      a = d.value(example, `a:${l}:${j}`);
    this.add({
      kind: "forward",
      known: [l, k + 1],
      lit: [[l, j]],
      lines: new Set(d.drawn[l - 1].map(i => `${l}_${j}_${i}`)),
      bundle: l === 1 && d.picture ? j : undefined,
      said: `${name}: sum ${num(z)}, activation ${num(a)}`,
      words: () => [
        para(
          bold("Forward. "),
          `The terms of ${name} and its bias add up to z = `,
          bold(num(z)),
          ". ",
          f === "identity" ? "Its activation is z itself." : `Its activation is ${f}(z):`,
        ),
        ...(f === "identity" ? [] : [para(mathOf("a", "=", ["text", f], "(", z, ")", "=", a))]),
      ],
      numbers: () => {
        const box = make("div", { class: "weighing" }, this.sumTable(l, j, Infinity));
        box.append(curveOf(f, z, a));
        return box;
      },
    });
  }

  /* ---- the loss ---------------------------------------------------------------------------- */

  softmax() {
    const { d, e, example } = this,
      L = d.depth,
      a = e.layers[L - 1].a,
      powers = a.map(Math.exp),
      total = powers.reduce((s, x) => s + x, 0);
    this.add({
      kind: "forward",
      lit: d.drawn[L].map(j => [L, j]),
      said: d.drawn[L].map(j => `${d.name(L, j)} ${num(e.guess[j])}`).join(", "),
      words: () => [
        para(
          bold("Softmax "),
          "turns the outputs into probabilities: e to the power of each, divided by the sum of " +
            "these powers. All are above 0 and they add up to 1; the largest output gets the " +
            "largest probability.",
        ),
        para(
          mathOf(["sub", "p", "k"], "=", [
            "frac",
            ["sup", "e", ["sub", "a", "k"]],
            ["row", "∑", ["sup", "e", ["sub", "a", "i"]]],
          ]),
        ),
      ],
      numbers: () =>
        tableOf(
          "softmax",
          ["output", "a", "e to the a", "probability p"],
          d.drawn[L].map(j =>
            rowOf(
              d.name(L, j),
              numberOf(d, example, `a:${L}:${j}`),
              num(powers[j]),
              numberOf(d, example, `p:0:${j}`),
            ),
          ).concat([sumRow("sum", "", num(total), "1")]),
        ),
    });
  }

  loss() {
    const { d, e, example } = this,
      L = d.depth;
    const formula = d.squares
      ? mathOf("C", "=", "∑", ["sup", ["row", "(", "a", "−", "y", ")"], "2"], "=", e.loss)
      : mathOf("C", "=", "−", ["text", "ln"], "(", e.guess[e.wanted.indexOf(1)], ")", "=", e.loss);
    this.add({
      kind: "forward",
      lit: d.drawn[L].map(j => [L, j]),
      said: `loss ${num(e.loss)}`,
      words: () => [
        para(
          bold("The loss C "),
          d.squares
            ? "says how far off the outputs are: each distance from what is wanted, squared, " +
                "added up."
            : "says how far off the prediction is: minus the logarithm of the probability that " +
                "the right class got.",
        ),
        para(formula),
      ],
      numbers: () =>
        tableOf(
          "the prediction beside the truth",
          [
            "output",
            d.squares ? "output a" : "probability",
            "wanted",
            ...(d.squares ? ["(a − y)²"] : []),
          ],
          d.drawn[L].map(j =>
            rowOf(
              d.name(L, j),
              numberOf(d, example, `p:0:${j}`),
              num(e.wanted[j]),
              ...(d.squares ? [num((e.guess[j] - e.wanted[j]) ** 2)] : []),
            ),
          ).concat([
            sumRow("loss C", numberOf(d, example, "c:0:0"), "", ...(d.squares ? [""] : [])),
          ]),
        ),
    });
  }

  /* ---- backward ---------------------------------------------------------------------------- */

  outputWishes() {
    const { d, e, example } = this,
      L = d.depth,
      da = e.layers[L - 1].da,
      most = largest(da);
    d.drawn[L].forEach(j => this.wishes.set(L + "_" + j, [-da[j], most]));
    this.add({
      kind: "back",
      lit: d.drawn[L].map(j => [L, j]),
      said: d.drawn[L].map(
        j => `${d.name(L, j)} should go ${da[j] < 0 ? "up" : "down"}, ${num(-da[j])}`,
      ).join("; "),
      words: () => [
        para(
          bold("Backward "),
          "begins at the right. If an output moved a little, the loss would change by ∂C/∂a " +
            "times as much: its ",
          bold("gradient"),
          ". To lower the loss it should move the other way: minus the gradient is its ",
          bold("wish"),
          ". Its sign says up or down, its size how much that matters.",
        ),
      ],
      numbers: () =>
        tableOf(
          "what the outputs should do",
          ["output", d.squares ? "output" : "probability", "wanted", "wish −∂C/∂a"],
          d.drawn[L].map(j =>
            rowOf(
              d.name(L, j),
              numberOf(d, example, `p:0:${j}`),
              num(e.wanted[j]),
              wishOf(-da[j], `da:${L}:${j}`),
            ),
          ),
        ),
    });
  }

  layerBackward(l) {
    const { d, e } = this,
      here = e.layers[l - 1],
      all = d.sizes[l];
    const askers = [...d.drawn[l]]
      .sort((a, b) => Math.abs(here.dz[b]) - Math.abs(here.dz[a]))
      .slice(0, MOST_ASKERS)
      .sort((a, b) => a - b);
    const sum = new Array(d.sizes[l - 1]).fill(0),
      before = l > 1 ? e.layers[l - 2].da : null;
    const most =
      l > 1
        ? Math.max(
            largest(before),
            ...askers.map(j =>
              largest(
                d.drawn[l - 1].map(i => here.dz[j] * d.value(this.example, `w:${l}:${j}:${i}`)),
              ),
            ),
          )
        : 1;
    askers.forEach((j, k) => {
      for (let i = 0; i < sum.length; i++)
        sum[i] -= here.dz[j] * d.value(this.example, `w:${l}:${j}:${i}`);
      if (l > 1) d.drawn[l - 1].forEach(i => this.wishes.set(`${l - 1}_${i}`, [sum[i], most]));
      this.unitAsks(
        l,
        j,
        [...sum],
        askers.length < all
          ? `${k + 1} of ${askers.length} that are shown; the layer has ${all}`
          : "",
      );
    });
    if (l > 1) this.addedUp(l - 1, [...sum], askers.length);
  }

  unitAsks(l, j, sum, place) {
    const { d, e, example } = this,
      here = e.layers[l - 1],
      name = d.name(l, j),
      n = d.sizes[l - 1],
      dz = here.dz[j];
    const columns =
      d.drawn[l - 1].length > 0
        ? d.drawn[l - 1]
        : [...Array(n).keys()]
            .sort((a, b) => Math.abs(e.input[b]) - Math.abs(e.input[a]))
            .slice(0, MOST_TERMS_SHOWN);
    const hidden = n - columns.length,
      wish = i => -dz * d.value(example, `w:${l}:${j}:${i}`);
    const slope =
      d.activation(l) === "identity"
        ? ""
        : ` Its wish for its activation, times the slope of ${d.activation(l)}, is its wish for z.`;
    this.add({
      kind: "back",
      lit: [[l, j]],
      asks: d.drawn[l - 1].map(i => [l, j, i, -here.dweight[d.slot(l, j, i)]]),
      lines: new Set(),
      bundle: l === 1 && d.picture ? j : undefined,
      said:
        `${name}: ` +
        columns
          .map(i => `weight from ${d.name(l - 1, i)} ${num(-here.dweight[d.slot(l, j, i)])}`)
          .join(", ") +
        `, bias ${num(-here.dbias[j])}`,
      words: () => [
        para(
          bold(name),
          dz === 0 ? " asks for nothing: its slope or its wish is 0." : " wants its sum z to go ",
          ...(dz === 0
            ? []
            : [bold(dz < 0 ? "up" : "down"), ": −∂C/∂z = ", wishOf(-dz, `dz:${l}:${j}`), "."]),
          slope,
        ),
        para(
          "It asks that of each weight in proportion to the activation which the weight multiplies",
          l > 1
            ? ", and of each activation to the left in proportion to the weight between them. " +
                "There the wishes add up, as at a fork: that activation moves several units, and " +
                "all move the loss."
            : ". The inputs are locked: of them it asks nothing.",
        ),
        ...(place ? [para(make("span", { class: "soft" }, place + "."))] : []),
      ],
      numbers: () =>
        tableOf(
          `what ${name} asks` + (hidden > 0 ? `; ${columns.length} of ${n} are listed` : ""),
          ["from", "a", "weight", "weight should", ...(l > 1 ? ["a should", "sum so far"] : [])],
          columns
            .map(i =>
              rowOf(
                d.name(l - 1, i),
                numberOf(d, example, `${l === 1 ? "x" : "a"}:${l - 1}:${i}`),
                numberOf(d, example, `w:${l}:${j}:${i}`),
                wishOf(-here.dweight[d.slot(l, j, i)], `dw:${l}:${j}:${i}`),
                ...(l > 1 ? [wishOf(wish(i)), wishOf(sum[i])] : []),
              ),
            )
            .concat([
              rowOf(
                "bias",
                "1",
                numberOf(d, example, `b:${l}:${j}`),
                wishOf(-here.dbias[j], `db:${l}:${j}`),
                ...(l > 1 ? ["", ""] : []),
              ),
            ]),
        ),
    });
  }

  /* All wishes for the activations of a layer. Where not all units were shown, what the others
     ask stands beside it. */
  addedUp(l, sum, shown) {
    const { d, e, example } = this,
      here = e.layers[l - 1],
      next = d.sizes[l + 1],
      others = next - shown,
      most = largest(here.da);
    d.drawn[l].forEach(i => this.wishes.set(`${l}_${i}`, [-here.da[i], most]));
    const split = i => (others > 0 ? [wishOf(sum[i]), wishOf(-here.da[i] - sum[i])] : []);
    this.add({
      kind: "back",
      lit: d.drawn[l].map(i => [l, i]),
      said: d.drawn[l].map(i => `${d.name(l, i)} ${num(-here.da[i])}`).join(", "),
      words: () => [
        para(
          "Added up, the wishes of ",
          bold(`all ${next}`),
          ` units of ${l + 1 === d.depth ? "the outputs" : `layer ${l + 1}`} are what each ` +
            `activation of layer ${l} should do.` +
            (others > 0 ? ` ${shown} of them were shown one by one; the sum has all.` : ""),
        ),
        para(
          d.activation(l) === "identity"
            ? "The activation is z itself, so z has the same wish, and that goes on to the left."
            : `An activation cannot be changed directly: times the slope of ${d.activation(l)} ` +
                "its wish becomes that of its sum z, and that goes on to the left.",
        ),
      ],
      numbers: () =>
        tableOf(
          `layer ${l}`,
          [
            "unit",
            ...(others > 0 ? [`the ${shown} shown`, `the other ${others}`] : []),
            "wish −∂C/∂a",
            "slope",
            "−∂C/∂z",
          ],
          d.drawn[l].map(i =>
            rowOf(
              d.name(l, i),
              ...split(i),
              wishOf(-here.da[i], `da:${l}:${i}`),
              here.da[i] === 0 ? "" : num(here.dz[i] / here.da[i]),
              wishOf(-here.dz[i], `dz:${l}:${i}`),
            ),
          ),
        ),
    });
  }

  /* ---- the batch, and the step ------------------------------------------------------------- */

  /* What example k, or the mean of all, asks of every weight that is drawn. */
  allAsks(k) {
    const { d } = this,
      asks = [],
      list = l =>
        k === undefined ? d.json.layers[l - 1].mean_dweight : d.batch[k].layers[l - 1].dweight;
    for (let l = 1; l <= d.depth; l++)
      for (const j of d.drawn[l])
        for (const i of d.drawn[l - 1]) asks.push([l, j, i, -list(l)[d.slot(l, j, i)]]);
    return { asks, askMost: largest(asks.map(a => a[3])) || 1 };
  }

  /* Each example's wishes; the picture is that example's. */
  batch() {
    const { d } = this,
      columns = d.changes().slice(0, COLUMNS_OF_BATCH),
      n = d.batch.length;
    const head = ["example", "loss C", ...columns.map(c => d.weightName(...c))],
      caption = "gradients of the weights and biases with the largest means";
    const line = k =>
      rowOf(
        this.notes.rowName ? this.notes.rowName(k) : `row ${d.batch[k].row}`,
        numberOf(d, k, "c:0:0"),
        ...columns.map(c => numberOf(d, k, parameterKeys(c).derivative)),
      );
    const mean = (k, value) =>
      d.batch.slice(0, k + 1).reduce((s, _, i) => s + value(i), 0) / (k + 1);
    this.phase("batch");
    const before = this.wishes;
    d.batch.forEach((e, k) => {
      this.wishes = new Map(
        d.drawn.flatMap((units, l) =>
          l === 0
            ? []
            : units.map(j => [`${l}_${j}`, [-e.layers[l - 1].da[j], largest(e.layers[l - 1].da)]]),
        ),
      );
      this.add({
        kind: "step",
        example: k,
        lines: new Set(),
        ...this.allAsks(k),
        said: `example ${k + 1}: loss ${num(e.loss)}`,
        words: () => [
          para(
            bold("The batch. "),
            `Every example has wishes of its own. The picture now shows example ${k + 1} ` +
              `of ${n}: its activations, and what it asks of each weight. The mean of all so ` +
              "far stands below.",
          ),
        ],
        numbers: () =>
          tableOf(
            caption,
            head,
            d.batch
              .slice(0, k + 1)
              .map((_, i) => line(i))
              .concat([
                sumRow(
                  "mean so far",
                  num(mean(k, i => d.batch[i].loss)),
                  ...columns.map(c => num(mean(k, i => d.value(i, parameterKeys(c).derivative)))),
                ),
              ]),
          ),
      });
    });
    this.wishes = new Map();
    this.add({
      kind: "step",
      mean: true,
      lines: new Set(),
      ...this.allAsks(),
      said:
        `mean loss ${num(d.json.mean_loss)}; ` +
        columns
          .map(c => `${d.weightName(...c)} ${num(d.value(0, parameterKeys(c).mean))}`)
          .join(", "),
      words: () => [
        para(
          bold("All have spoken. "),
          "The picture shows the mean of what they ask of each weight. It ",
          bold("is"),
          " the gradient of the mean loss: computed in one sweep over all examples it differs " +
            `by at most ${num(d.json.gap)}.`,
        ),
      ],
      numbers: () =>
        tableOf(
          caption,
          head,
          d.batch
            .map((_, i) => line(i))
            .concat([
              sumRow(
                "mean",
                num(d.json.mean_loss),
                ...columns.map(c => numberOf(d, 0, parameterKeys(c).mean)),
              ),
            ]),
        ),
    });
    this.wishes = before;
  }

  descend() {
    const { d, e, example } = this,
      j = d.json,
      many = d.batch.length > 1,
      changes = d.changes(),
      listed = changes.slice(0, MOST_CHANGES);
    const verdict =
      j.mean_loss_after < j.mean_loss
        ? "."
        : j.mean_loss_after > j.mean_loss
          ? ": too large a step."
          : ": too small a step to see.";
    this.add({
      kind: "step",
      after: true,
      said: `loss from ${num(j.mean_loss)} to ${num(j.mean_loss_after)}`,
      words: () => [
        para(
          bold("The step. "),
          "Every weight and bias moves a little against its " +
            `gradient${many ? ", the mean over the batch" : ""}; the larger the gradient, ` +
            "the more.",
        ),
        para(
          mathOf(["sub", "w", ["text", "new"]], "=", "w", "−", ["text", String(j.rate)], "·", [
            "frac",
            ["row", "∂", "C"],
            ["row", "∂", "w"],
          ]),
        ),
        para(
          `${many ? "The mean loss" : "The loss"} goes from ${num(j.mean_loss)} to `,
          bold(num(j.mean_loss_after)),
          many ? `, that of this example from ${num(e.loss)} to ${num(e.loss_after)}` : "",
          verdict,
        ),
      ],
      numbers: () =>
        tableOf(
          listed.length < changes.length
            ? `the largest changes: ${listed.length} of ${changes.length} weights and biases`
            : "all changes",
          ["weight or bias", "old", many ? "mean ∂C/∂w" : "∂C/∂w", "new"],
          listed.map(c => {
            const k = parameterKeys(c);
            return rowOf(
              d.weightName(...c),
              numberOf(d, example, k.old),
              numberOf(d, example, k.mean),
              numberOf(d, example, k.after),
            );
          }),
        ),
    });
  }
}

/* { steps, phases } of one example. notes: inputs, words about what the inputs are; rowName(k), of
   an example. */
export function storyOf(data, example, notes = {}) {
  const { steps, phases } = new Story(data, example, notes).tell();
  return { steps, phases };
}
