/* formula_panels.js - what the first room shows below the graph: the chain rule at a box and its
   nudge, the error of differences against the step, second derivatives. A panel asks the engine
   only while it is open. */
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLog } from "d3-scale";
import { create } from "d3-selection";
import { line } from "d3-shape";
import { cutText, make, math, shorten } from "../../engine/explain/page.js";
import { GraphSteps, countOfPaths } from "../../engine/explain/graph.js";
import { formula, name, number, partial, sign } from "./rules.js";

/* ---- a box ----------------------------------------------------------------------------------- */

/* The sum over the users of a node: what each sends is its own gradient times the local
   derivative. With a bug on purpose it stands as it should be, and beside it what the pass has. */
function chainRule(steps, id) {
  const sent = steps.pass.steps.flatMap(step =>
    step.edges.filter(e => e.to === id).map(e => ({ step, e })),
  );
  const y = steps.label(steps.pass.output),
    me = steps.label(id),
    box = make("div");
  if (id === steps.pass.output)
    return make("p", {}, `This is the result: d ${y} / d ${y} = 1, the seed.`);
  if (sent.length === 0) return make("p", {}, "Nothing is sent here: its gradient is 0.");
  const some = sent.slice(0, 4),
    more = sent.length > 4 ? [sign("+"), sign("…")] : [];
  const sum = parts => parts.flatMap((part, k) => (k > 0 ? [sign("+"), ...part] : part));
  box.append(
    formula(
      partial(y, me),
      sign("="),
      ...sum(
        some.map(({ step }) => [
          partial(y, steps.label(step.node)),
          sign("·"),
          partial(steps.label(step.node), me),
        ]),
      ),
      ...more,
    ),
    formula(
      sign("="),
      ...sum(
        some.map(({ step, e }) => [number(steps.total(step.node)), sign("·"), number(e.local)]),
      ),
      ...more,
      sign("="),
      math("mn", shorten(steps.total(id)).replace("-", "−")),
    ),
  );
  if (sent.length > 1)
    box.append(make("p", {}, `${me} moves each of these, and each moves ${y}: the changes add.`));
  if (misses(steps, id))
    box.append(
      make(
        "p",
        { class: "bug" },
        make(
          "b",
          {},
          `✗ The pass with the bug ${steps.bug} has ${shorten(steps.reached(id))} here.`,
        ),
      ),
    );
  return box;
}

const misses = (steps, id) => steps.bug !== "" && steps.isWrong(id, steps.reached(id));

function pathList(steps, id) {
  const found = steps.allPaths().get(id);
  if (!found) return make("p", {}, "No path leads from here to the result.");
  return make(
    "div",
    {},
    make(
      "p",
      {},
      `${countOfPaths(found.count)} to ${steps.label(steps.pass.output)}; along each the local ` +
        "derivatives multiply:",
    ),
    make(
      "ul",
      {},
      ...found.best.map(p =>
        make(
          "li",
          {},
          make(
            "code",
            {},
            `${cutText(p.text, 60, 50)}:  ` +
              (p.factors.length > 1 ? `${cutText(p.factors.join(" · "), 60, 50)} = ` : "") +
              shorten(p.product),
          ),
        ),
      ),
      ...(found.count > found.best.length ? [make("li", {}, "…")] : []),
    ),
  );
}

export class BoxPanel {
  constructor(root, ask, said) {
    this.ask = ask;
    this.said = said;
    this.title = make("h2");
    this.text = make("div");
    this.h = make("input", {
      type: "range",
      min: -100,
      max: 100,
      value: 0,
      step: 1,
      id: "nudge",
    });
    this.out = make("table", { class: "nudged" });
    this.nudge = make("div", {}, make("label", {}, "nudge it by h ", this.h), this.out);
    root.append(this.title, this.text, this.nudge);
    this.root = root;
    this.h.addEventListener("input", () => this.move());
  }
  show(steps, id) {
    const n = steps.nodes.get(id);
    this.root.hidden = !n;
    if (!n) return;
    if (this.id !== id) this.h.value = 10;
    this.steps = steps;
    this.id = id;
    this.title.textContent =
      "The chain rule " + `at ${steps.label(id)}${n.shown && !n.name ? " = " + n.shown : ""}`;
    this.text.replaceChildren(chainRule(steps, id), pathList(steps, id));
    this.move();
  }
  /* What the wrong gradient of a bug on purpose predicts. */
  missed(got, row) {
    if (!misses(this.steps, this.id)) return [];
    const wrong = this.steps.reached(this.id),
      predicted = Number(got.before) + Number(wrong) * Number(got.moved);
    return [
      row(`✗ with the bug: before + ${shorten(wrong)} · h`, predicted),
      row("that differs by", Number(got.after) - predicted),
    ];
  }
  /* The whole way of the slider is a tenth of the value, or 0.1. */
  move() {
    const value = Number(this.steps.nodes.get(this.id).value),
      h = (Number(this.h.value) / 1000) * Math.max(1, Math.abs(value));
    const got = this.ask("nudge", { node: this.id, h });
    if (got.error) {
      this.out.replaceChildren();
      return;
    }
    const y = this.steps.label(this.steps.pass.output),
      me = this.steps.label(this.id);
    const predicted = Number(got.before) + Number(got.gradient) * Number(got.moved);
    const row = (says, x) =>
      make("tr", {}, make("th", { scope: "row" }, says), make("td", {}, Number(x).toPrecision(9)));
    const moved = make("td", {}, shorten(got.moved));
    this.out.replaceChildren(
      make("tr", {}, make("th", { scope: "row" }, "h"), moved),
      row(`${y} before`, got.before),
      row(`predicted: before + ${shorten(got.gradient)} · h`, predicted),
      row(`${y} after`, got.after),
      row("they differ by", Number(got.after) - predicted),
      ...this.missed(got, row),
    );
    this.h.setAttribute(
      "aria-valuetext",
      `${me} moves by ${shorten(got.moved)}: ${y} is ${shorten(got.after)}, ` +
        `predicted ${shorten(predicted)}`,
    );
  }
}

/* ---- the V ----------------------------------------------------------------------------------- */

const LOWEST = 1e-18;

/* Of a V both sides can be seen: the longest steps are off by far more than rounding. */
function bends(curve) {
  const size = Math.max(Math.abs(Number(curve.claimed)), 1e-6);
  return curve.points.some(p => p[0] >= 1e-2 && Number(p[2]) > 1e-7 * size);
}

export function drawCurve(curve) {
  const width = 560,
    height = 320,
    left = 70,
    bottom = 46,
    top = 12,
    right = 12;
  const errors = curve.points
    .flatMap(p => [Number(p[2]), Number(p[3])])
    .filter(e => Number.isFinite(e) && e > 0);
  const x = scaleLog([1e-13, 1], [left, width - right]);
  const y = scaleLog(
    [Math.max(LOWEST, Math.min(...errors, 1e-12)), Math.max(...errors, 1e-6)],
    [height - bottom, top],
  ).clamp(true);
  const svg = create("svg")
    .attr("viewBox", `0 0 ${width} ${height}`)
    .attr("class", "plot")
    .attr("role", "img")
    .attr("aria-label", "the error of differences against the step, both on logarithmic axes");
  svg
    .append("g")
    .attr("transform", `translate(0 ${height - bottom})`)
    .call(axisBottom(x).ticks(7, "~e"));
  svg.append("g").attr("transform", `translate(${left} 0)`).call(axisLeft(y).ticks(6, "~e"));
  svg
    .append("text")
    .attr("class", "axis")
    .attr("x", (left + width) / 2)
    .attr("y", height - 6)
    .text("step h");
  svg
    .append("text")
    .attr("class", "axis")
    .attr("transform", `translate(14 ${height / 2}) rotate(-90)`)
    .text("|difference − gradient|");
  const drawn = [
    ["central", 2, "central difference"],
    ["romberg", 3, "extrapolated"],
    ["noise", 4, "what rounding may do"],
  ];
  drawn.forEach(([kind, k, label], i) => {
    const points = curve.points.filter(p => Number.isFinite(Number(p[k])) && p[k] !== "NaN");
    svg
      .append("path")
      .attr("class", "curve " + kind)
      .attr(
        "d",
        line()
          .x(p => x(p[0]))
          .y(p => y(Math.max(LOWEST, Number(p[k]))))(points),
      );
    svg
      .append("path")
      .attr("class", "curve " + kind)
      .attr("d", `M${left + 20} ${top + 14 + 18 * i}h26`);
    svg
      .append("text")
      .attr("class", "key")
      .attr("x", left + 52)
      .attr("y", top + 18 + 18 * i)
      .text(label);
  });
  return svg.node();
}

function button(text, does) {
  const b = make("button", { type: "button" }, text);
  b.addEventListener("click", does);
  return b;
}

/* another(): goes to a formula that shows a V. */
export function vPanel(root, ask, names, another) {
  const select = make("select", {}, ...names.map((n, k) => make("option", { value: k }, n))),
    place = make("div");
  const draw = () => {
    root.dataset.by = select.value;
    const curve = ask("curve", { input: select.value });
    if (curve.error) {
      place.replaceChildren(make("p", {}, curve.error));
      return;
    }
    place.replaceChildren(
      drawCurve(curve),
      make(
        "p",
        {},
        `The gradient is ${shorten(curve.claimed)}; the best that differences say ` +
          `is ${shorten(curve.estimate)} ± ${shorten(curve.off)}. ` +
          (bends(curve)
            ? "Long steps are off because the function bends, short ones because rounding is " +
              "divided by h: a V."
            : `In ${names[select.value]} this formula bends too little to show a V: long steps ` +
              "make no error here. What is left is rounding, which grows as h shrinks."),
      ),
      ...(bends(curve) ? [] : [button("Show a formula that bends", another)]),
    );
  };
  select.value = Math.min(names.length - 1, Number(root.dataset.by || 0));
  select.addEventListener("change", draw);
  root.replaceChildren(make("label", {}, "by ", select), place);
  if (names.length > 0) draw();
}

/* ---- second derivatives ---------------------------------------------------------------------- */

const MOST_SHOWN = 6;

export function secondPanel(root, ask, names, label) {
  const select = make("select", {}, ...names.map((n, k) => make("option", { value: k }, n))),
    place = make("div", { class: "derivative" });
  select.value = Math.min(names.length - 1, Number(root.dataset.by || 0));
  const draw = () => {
    root.dataset.by = select.value;
    const got = ask("second", { input: select.value, most: 100 });
    place.replaceChildren();
    if (got.error) {
      place.append(make("p", {}, got.error));
      return;
    }
    if (!got.svg) {
      place.append(make("p", {}, `The derivative is the number ${shorten(got.value)} everywhere.`));
      return;
    }
    place.append(
      make(
        "p",
        {},
        `d ${label} / d ${names[select.value]} = ${shorten(got.value)}, recorded as a graph: ` +
          "its own gradients are the second derivatives.",
      ),
    );
    const steps = new GraphSteps(place);
    steps.set(got.data, got.svg, 1e9);
  };
  const all = ask("second", {});
  const table = make("table");
  if (all.hessian && names.length <= MOST_SHOWN) {
    table.append(
      make("caption", {}, `second derivatives of ${label}`),
      make(
        "thead",
        {},
        make("tr", {}, make("td"), ...names.map(n => make("th", { scope: "col" }, n))),
      ),
      make(
        "tbody",
        {},
        ...names.map((n, i) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, n),
            ...names.map((m, j) => make("td", {}, shorten(all.hessian[i * names.length + j]))),
          ),
        ),
      ),
    );
  }
  select.addEventListener("change", draw);
  root.replaceChildren(table, make("label", {}, "the derivative by ", select), place);
  if (names.length > 0) draw();
}
