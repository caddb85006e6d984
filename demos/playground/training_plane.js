/* training_plane.js - pictures of functions on the plane: what the network says at each point,
   what a unit says, the examples. Colours are those of classes, or of the sign of a predicted
   value; a unit inside is grey, since it says nothing of classes. Colours come with lines and
   marks, so that nothing is told by colour alone. */
import { contours } from "d3-contour";
import { scaleLinear } from "d3-scale";
import {
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
} from "d3-shape";

const LIGHT = [
  [201, 110, 20],
  [40, 110, 200],
  [30, 130, 60],
  [140, 70, 170],
  [190, 40, 60],
  [90, 100, 110],
  [40, 46, 54],
];
const DARK = [
  [240, 160, 80],
  [100, 170, 255],
  [80, 200, 120],
  [200, 140, 230],
  [255, 130, 130],
  [170, 180, 190],
  [215, 222, 230],
];
const GREY = 6;
export const MARKS = [
  symbolCircle,
  symbolTriangle,
  symbolSquare,
  symbolDiamond,
  symbolStar,
  symbolCross,
];
export const MARK_NAMES = ["circles", "triangles", "squares", "diamonds", "stars", "crosses"];
export const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const paper = () => (isDark() ? [13, 17, 23] : [255, 255, 255]);
export const colour = c => `rgb(${(isDark() ? DARK : LIGHT)[c].join(" ")})`;

/* Softmax, or the number itself for regression. */
export function outputsOf(values, at, units, outputs) {
  const z = [];
  for (let k = units - outputs; k < units; k++) z.push(values[at * units + k]);
  if (outputs === 1) return z;
  const most = Math.max(...z),
    e = z.map(x => Math.exp(x - most)),
    sum = e.reduce((s, x) => s + x, 0);
  return e.map(x => x / sum);
}

/* From paper to each colour in STEPS steps, as the pixels of an image: made anew where the theme
   changes. */
const STEPS = 128;
let ramps = [],
  rampsDark = null;
function makeRamps() {
  if (rampsDark === isDark()) return;
  rampsDark = isDark();
  const from = paper();
  ramps = (rampsDark ? DARK : LIGHT).map(to =>
    Uint32Array.from({ length: STEPS + 1 }, (_, k) => {
      const [r, g, b] = from.map((f, i) => Math.round(f + ((to[i] - f) * 0.62 * k) / STEPS));
      return (
        ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
      ); /* little-endian, as every machine with a browser is */
    }),
  );
}
const mix = (c, share) => ramps[c][Math.round(STEPS * Math.max(0, Math.min(1, share)))];
/* -1 to 1: one colour, paper, the other. */
const signed = t => (t < 0 ? mix(0, -t) : mix(1, t));
/* -1 to 1: the larger, the more grey. */
const shade = t => mix(GREY, (t + 1) / 2);

function paint(canvas, n, colourAt) {
  makeRamps();
  if (canvas.width !== n) canvas.width = canvas.height = n;
  const context = canvas.getContext("2d"),
    image = context.createImageData(n, n),
    pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < n * n; i++) pixels[i] = colourAt(i);
  context.putImageData(image, 0, 0);
}

/* Which class a unit is the output of: below 0 if of none. */
const classOf = ({ units }, outputs, unit) => (outputs === 1 ? -1 : unit - (units - outputs));

function colourOf(grid, outputs, unit) {
  const { values, units } = grid,
    c = classOf(grid, outputs, unit);
  if (c >= 0) return i => mix(c, outputsOf(values, i, units, outputs)[c]);
  if (unit === units - 1) return i => signed(values[i * units + unit] / 1.5);
  return i => shade(values[i * units + unit] / 1.2);
}

/* A unit's own picture: of a class how probable it is. `input` is 0 for the input x, 1 for y. */
export function paintUnit(canvas, grid, outputs, unit, input) {
  const { n } = grid;
  if (input === undefined) return paint(canvas, n, colourOf(grid, outputs, unit));
  return paint(canvas, n, i =>
    shade(input === 0 ? (2 * (i % n)) / (n - 1) - 1 : 1 - (2 * Math.floor(i / n)) / (n - 1)),
  );
}

/* The whole network, or one unit if `unit` is not -1. */
export function paintPlane(canvas, grid, outputs, unit) {
  const { n, values, units } = grid;
  if (unit >= 0) return paint(canvas, n, colourOf(grid, outputs, unit));
  return paint(canvas, n, i => {
    const p = outputsOf(values, i, units, outputs);
    if (outputs === 1) return signed(p[0] / 1.5);
    if (outputs === 2) return signed(2 * p[1] - 1);
    const best = p.indexOf(Math.max(...p));
    return mix(best, (p[best] - 1 / outputs) / (1 - 1 / outputs));
  });
}

/* Where classes meet, where a class has one half, where a unit is 0, or a value a round number. As
   path data in a square of the given size. */
export function boundaryPath(grid, outputs, unit, size) {
  const { n, values, units } = grid,
    paths = [],
    scale = size / n;
  const draw = (at, levels) => {
    const field = Float64Array.from({ length: n * n }, (_, i) => at(i));
    for (const shape of contours().size([n, n]).thresholds(levels)(field))
      for (const polygon of shape.coordinates)
        for (const ring of polygon)
          paths.push(
            "M" +
              ring.map(([x, y]) => `${(x * scale).toFixed(1)} ${(y * scale).toFixed(1)}`).join("L"),
          );
  };
  const c = unit < 0 ? -1 : classOf(grid, outputs, unit);
  if (c >= 0) draw(i => outputsOf(values, i, units, outputs)[c], [0.5]);
  else if (unit >= 0) draw(i => values[i * units + unit], [0]);
  else if (outputs === 1) draw(i => values[i * units + units - 1], [-1, -0.5, 0, 0.5, 1]);
  else
    for (let c = outputs === 2 ? 1 : 0; c < outputs; c++)
      draw(
        i => {
          const p = outputsOf(values, i, units, outputs),
            own = p[c];
          p[c] = -1;
          return own - Math.max(...p);
        },
        [0],
      );
  return paths.join("");
}

/* The examples as marks; those held out are hollow. */
export function drawPoints(svg, train, test, range, classes) {
  const x = scaleLinear([range[0], range[1]], [0, 100]),
    y = scaleLinear([range[2], range[3]], [100, 0]);
  const points = [];
  for (const [rows, held] of [
    [train, false],
    [test, true],
  ])
    for (let k = 0; k < rows.length; k += 3)
      points.push({ x: x(rows[k]), y: y(rows[k + 1]), t: rows[k + 2], held });
  const path = symbol().size(5);
  svg
    .selectAll("path.point")
    .data(points)
    .join("path")
    .attr("class", "point")
    .attr("transform", p => `translate(${p.x} ${p.y})`)
    .attr("d", p => path.type(MARKS[classes > 0 ? p.t : p.t < 0 ? 0 : 1])())
    .each(function (p) {
      const c = classes > 0 ? colour(p.t) : colour(p.t < 0 ? 0 : 1);
      this.style.fill = p.held ? "transparent" : c;
      this.style.stroke = p.held ? c : isDark() ? "#000" : "#fff";
      this.style.fillOpacity = classes > 0 ? 1 : 0.25 + 0.75 * Math.min(1, Math.abs(p.t) / 1.5);
    });
}

/* A ring around each of some rows. */
export function drawRings(svg, rows, range) {
  const x = scaleLinear([range[0], range[1]], [0, 100]),
    y = scaleLinear([range[2], range[3]], [100, 0]);
  svg
    .selectAll("circle")
    .data(Array.from({ length: rows.length / 3 }, (_, k) => [rows[3 * k], rows[3 * k + 1]]))
    .join("circle")
    .attr("class", "ring")
    .attr("r", 2.4)
    .attr("cx", p => x(p[0]))
    .attr("cy", p => y(p[1]));
}

export function rangeOf(rows) {
  const range = [Infinity, -Infinity, Infinity, -Infinity];
  for (let k = 0; k < rows.length; k += 3) {
    range[0] = Math.min(range[0], rows[k]);
    range[1] = Math.max(range[1], rows[k]);
    range[2] = Math.min(range[2], rows[k + 1]);
    range[3] = Math.max(range[3], rows[k + 1]);
  }
  const wide = Math.max(range[1] - range[0], 0.5) * 0.12,
    high = Math.max(range[3] - range[2], 0.5) * 0.12;
  return [range[0] - wide, range[1] + wide, range[2] - high, range[3] + high];
}
