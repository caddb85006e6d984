/* lesson_drawing.js - the picture of the network: units, wires, arrows, a picture as input.

   `draw` makes the elements for given data,
     `paint` gives them the look of one step. Nothing is said by colour alone:
   weights and changes below 0 are dashed,
     what should go up or down has a triangle that points there. Invariant:
   after `paint` the picture depends on the step alone, not on what was painted before. */
import { showInside } from "../engine/explain/page.js";
import { largest, shortName } from "./lesson_data.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 175,
  HIGH = 54,
  AIRY = 72,
  RADIUS = 19,
  LEFT = 108,
  RIGHT = 150,
  PIXELS = 120;

function shape(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const triangle = (x, y, up, size) =>
  up
    ? `M${x} ${y - size}l${size * 0.8} ${size * 2}h${-size * 1.6}z`
    : `M${x} ${y + size}l${size * 0.8} ${-size * 2}h${-size * 1.6}z`;

export class LessonDrawing {
  /* chosen(at) is called with what was clicked; remade(svg), if it is set, when the elements are
     new. */
  constructor(frame, chosen) {
    this.frame = frame;
    this.chosen = chosen;
    frame.addEventListener("click", event => this.clicked(event));
    frame.addEventListener("keydown", event => {
      if ((event.key === "Enter" || event.key === " ") && event.target.closest(".unit")) {
        event.preventDefault();
        event.stopPropagation();
        this.clicked(event);
      }
    });
  }

  clicked(event) {
    const found = event.target.closest("[data-at]");
    if (found) this.chosen(found.dataset.at);
  }

  place(l, k) {
    return [
      LEFT + l * WIDE,
      this.height / 2 + 8 + (k - (this.data.drawn[l].length - 1) / 2) * this.high,
    ];
  }

  /* The elements stay where the data have the same shape, so that one which is being dragged is
     not taken away. */
  draw(data) {
    const {
        sizes,
        json: { inputs, outputs, image },
      } = data,
      form = JSON.stringify([sizes, data.drawn, inputs, outputs, image]);
    this.data = data;
    if (form === this.form) return;
    this.form = form;
    const rows = Math.max(...data.drawn.map(units => units.length), data.picture ? 3 : 0);
    this.width = LEFT + data.depth * WIDE + RIGHT;
    this.high = rows <= 6 ? AIRY : HIGH;
    this.height = rows * this.high + 40;
    this.units = new Map();
    this.wires = new Map();
    this.bundles = new Map();
    this.svg = shape("svg", {
      viewBox: `0 0 ${this.width} ${this.height}`,
      role: "group",
      "aria-label": "the network",
    });
    for (let l = 1; l <= data.depth; l++) this.drawWires(l);
    if (data.picture) this.drawPicture();
    data.drawn.forEach((units, l) => this.drawLayer(units, l));
    this.frame.replaceChildren(this.svg);
    this.svg.style.minWidth = Math.min(this.width * 0.82, 46 * 16) + "px";
    this.svg.style.minHeight = Math.min(this.height * 0.8, 44 * 16) + "px";
    this.svg.style.maxWidth = this.width * 2.1 + "px";
    this.remade?.(this.svg);
  }

  drawWires(l) {
    const { drawn } = this.data;
    drawn[l].forEach((j, kj) =>
      drawn[l - 1].forEach((i, ki) => {
        const [x1, y1] = this.place(l - 1, ki),
          [x2, y2] = this.place(l, kj);
        const ends = { x1: x1 + RADIUS, y1, x2: x2 - RADIUS, y2 };
        const line = shape("line", { class: "wire", ...ends });
        const t = 0.2 + 0.12 * (kj % 3),
          at = [ends.x1 + t * (ends.x2 - ends.x1), y1 + t * (y2 - y1)];
        const arrow = shape("path", { class: "tip" });
        this.svg.append(
          shape(
            "g",
            { class: "link", "data-at": `w:${l}:${j}:${i}` },
            line,
            shape("line", { class: "hit", ...ends }),
            arrow,
          ),
        );
        this.wires.set(`${l}_${j}_${i}`, { line, arrow, at });
      }),
    );
  }

  drawPicture() {
    const n = this.data.json.image,
      side = PIXELS / n,
      left = LEFT - PIXELS + 30,
      top = this.height / 2 + 8 - PIXELS / 2;
    this.pixels = [];
    const group = shape("g", {
      class: "pixels",
      role: "img",
      "aria-label": `the input, a picture of ${n} by ${n}`,
    });
    for (let i = 0; i < n * n; i++) {
      const pixel = shape("rect", {
        x: left + (i % n) * side,
        y: top + Math.floor(i / n) * side,
        width: side,
        height: side,
        "data-at": `x:0:${i}`,
      });
      this.pixels.push(pixel);
      group.append(pixel);
    }
    this.data.drawn[1].forEach((j, k) => {
      const [x, y] = this.place(1, k),
        line = shape("line", {
          class: "wire bundle",
          x1: left + PIXELS + 3,
          y1: this.height / 2 + 8,
          x2: x - RADIUS,
          y2: y,
        });
      this.bundles.set(j, line);
      this.svg.append(line);
    });
    this.svg.append(
      group,
      shape(
        "text",
        { class: "name", x: left + PIXELS / 2, y: top - 8, "text-anchor": "middle" },
        "locked",
      ),
    );
  }

  drawLayer(units, l) {
    const { depth, sizes, picture } = this.data;
    units.forEach((j, k) => this.drawUnit(l, j, k));
    const x = LEFT + l * WIDE;
    if (units.length > 0 && units.length < sizes[l])
      this.svg.append(
        shape(
          "text",
          { class: "name", x, y: this.height - 4, "text-anchor": "middle" },
          `${units.length} of ${sizes[l]} shown`,
        ),
      );
    const title = l === 0 ? "inputs, locked" : l === depth ? "outputs" : `layer ${l}`;
    if (l > 0 || !picture)
      this.svg.append(shape("text", { class: "name", x, y: 14, "text-anchor": "middle" }, title));
  }

  drawUnit(l, j, k) {
    const [x, y] = this.place(l, k),
      name = this.data.name(l, j),
      { depth } = this.data;
    const label =
      l === 0
        ? { x: x - RADIUS - 6, y: y + 4, "text-anchor": "end" }
        : l === depth
          ? { x: x + RADIUS + 28, y: y + 4 }
          : { x, y: y - RADIUS - 4, "text-anchor": "middle" };
    const circle = shape("circle", { cx: x, cy: y, r: RADIUS }),
      text = shape("text", { class: "a", x, y });
    const arrow = shape("path", { class: "arrow" });
    const group = shape(
      "g",
      {
        class: "unit",
        "data-at": `${l === 0 ? "x" : "u"}:${l}:${j}`,
        "data-unit": `${l}_${j}`,
        tabindex: 0,
        role: "button",
      },
      circle,
      shape("text", { class: "name", ...label }, shortName(name)),
      " ",
      text,
      arrow,
    );
    this.units.set(`${l}_${j}`, { group, circle, text, arrow, x, y, name });
    this.svg.append(group);
  }

  /* ---- one step ---------------------------------------------------------------------------- */

  paint(step) {
    const { data } = this,
      e = data.batch[step.example];
    for (let l = 1; l <= data.depth; l++) this.paintWires(l, step);
    data.drawn.forEach((units, l) =>
      units.forEach((j, k) => {
        const [layer, count] = step.known;
        const known = !step.mean && (l < layer || (l === layer && k < count));
        const a = l === 0 ? e.input : step.after ? e.layers[l - 1].a_after : e.layers[l - 1].a;
        this.paintUnit(l, j, known ? a[j] : undefined, largest(a), step);
      }),
    );
    if (data.picture) this.paintPicture(e, step);
    const lit = step.lit.map(([l, j]) => this.units.get(l + "_" + j)).filter(Boolean);
    if (lit.length > 0 && lit.length <= 4) showInside(this.frame, lit[0].group);
    else if (lit.length > 0) this.showAll(lit);
    else if (step.known[0] === 0) this.frame.scrollLeft = 0;
  }

  showAll(lit) {
    const frame = this.frame.getBoundingClientRect(),
      x = lit.map(u => u.circle.getBoundingClientRect());
    const middle = (Math.min(...x.map(r => r.left)) + Math.max(...x.map(r => r.right))) / 2;
    if (x.some(r => r.left < frame.left || r.right > frame.right))
      this.frame.scrollLeft += middle - (frame.left + frame.right) / 2;
  }

  paintWires(l, step) {
    const layer = this.data.json.layers[l - 1],
      w = step.after ? layer.new_weight : layer.weight,
      most = largest(layer.weight) || 1;
    for (const j of this.data.drawn[l])
      for (const i of this.data.drawn[l - 1]) {
        const { line, arrow } = this.wires.get(`${l}_${j}_${i}`),
          x = w[this.data.slot(l, j, i)];
        const lit = step.lines?.has(`${l}_${j}_${i}`),
          dim = step.asks || step.lines;
        line.setAttribute(
          "class",
          "wire" + (x < 0 ? " minus" : "") + (lit ? " lit" : dim ? " dim" : ""),
        );
        line.setAttribute("stroke-width", (0.6 + 3.6 * Math.min(1, Math.abs(x) / most)).toFixed(2));
        arrow.setAttribute("d", "");
      }
    this.paintAsks(l, step);
  }

  /* What is asked of the weights of a layer: [unit, from, change]. */
  paintAsks(l, step) {
    const asks = (step.asks || []).filter(ask => ask[0] === l),
      most = step.askMost || largest(asks.map(ask => ask[3])) || 1;
    for (const [, j, i, x] of asks) {
      const wire = this.wires.get(`${l}_${j}_${i}`);
      if (!wire || x === 0) continue;
      const part = Math.min(1, Math.abs(x) / most),
        way = x > 0 ? "up" : "down";
      wire.line.setAttribute("class", "wire lit " + way);
      wire.line.setAttribute("stroke-width", (0.8 + 4 * part).toFixed(2));
      wire.arrow.setAttribute("class", "tip " + way);
      wire.arrow.setAttribute("d", triangle(...wire.at, x > 0, 3.5 + 3.5 * part));
    }
  }

  paintUnit(l, j, value, range, step) {
    const { group, circle, text, arrow, x, y, name } = this.units.get(l + "_" + j),
      wish = step.wishes.get(l + "_" + j);
    const lit = step.lit.some(([m, k]) => m === l && k === j);
    group.setAttribute("class", "unit" + (lit ? " lit" : ""));
    const strong =
      value === undefined ? 0 : 0.06 + 0.38 * Math.min(1, Math.abs(value) / (range || 1));
    circle.style.fill =
      value === undefined
        ? "var(--hole)"
        : `rgb(var(--${value < 0 ? "minus" : "plus"}) / ${strong.toFixed(2)})`;
    text.textContent =
      value === undefined
        ? ""
        : Math.abs(value) < 100
          ? value.toFixed(2).replace("-", "−")
          : value.toPrecision(3);
    const up = wish && wish[0] > 0,
      shown = wish && wish[0] !== 0 && !step.after;
    arrow.setAttribute("class", "arrow" + (shown ? (up ? " up" : " down") : ""));
    arrow.setAttribute(
      "d",
      shown
        ? triangle(x + RADIUS + 13, y, up, 4 + 7 * Math.min(1, Math.abs(wish[0]) / (wish[1] || 1)))
        : "",
    );
    group.setAttribute(
      "aria-label",
      name +
        (value === undefined ? "" : `, ${text.textContent}`) +
        (shown ? `, should go ${up ? "up" : "down"}` : "") +
        (l === 0 ? ", locked" : ""),
    );
  }

  paintPicture(e, step) {
    const most = largest(e.input) || 1;
    e.input.forEach((x, i) => {
      this.pixels[i].style.fill = `rgb(var(--plus) / ${(Math.abs(x) / most).toFixed(2)})`;
    });
    for (const [j, line] of this.bundles)
      line.setAttribute(
        "class",
        "wire bundle" + (step.bundle === j ? " lit" : step.bundle !== undefined ? " dim" : ""),
      );
  }

  /* The wire or unit that is being changed. */
  mark(at) {
    this.svg.querySelectorAll(".marked").forEach(g => g.classList.remove("marked"));
    if (at) this.svg.querySelector(`[data-at="${CSS.escape(at)}"]`)?.classList.add("marked");
  }
}
