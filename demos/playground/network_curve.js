/* network_curve.js - the loss, step by step. */
import { extent } from "d3-array";
import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { create } from "d3-selection";
import { line } from "d3-shape";

const WIDE = 420,
  HIGH = 186,
  LEFT = 52,
  BELOW = 46,
  ABOVE = 10;

export class LossCurve {
  constructor(root) {
    this.svg = create("svg")
      .attr("viewBox", `0 0 ${WIDE} ${HIGH}`)
      .attr("class", "loss-curve")
      .attr("role", "img");
    this.bottom = this.svg.append("g").attr("transform", `translate(0,${HIGH - BELOW})`);
    this.left = this.svg.append("g").attr("transform", `translate(${LEFT},0)`);
    this.path = this.svg.append("path").attr("class", "line");
    this.dot = this.svg.append("circle").attr("r", 4);
    this.svg
      .append("text")
      .attr("x", WIDE - 6)
      .attr("y", HIGH - 6)
      .attr("text-anchor", "end")
      .text("steps taken");
    root.append(this.svg.node());
  }

  show(losses) {
    const x = scaleLinear([0, Math.max(5, losses.length - 1)], [LEFT, WIDE - 10]);
    const [low, high] = extent(losses),
      y = scaleLinear([Math.min(0, low), high || 1], [HIGH - BELOW, ABOVE]).nice(4);
    this.bottom.call(
      axisBottom(x)
        .ticks(6)
        .tickFormat(n => (Number.isInteger(n) ? n : "")),
    );
    this.left.call(axisLeft(y).ticks(4));
    this.path.attr(
      "d",
      line(
        (_, k) => x(k),
        c => y(c),
      )(losses),
    );
    this.dot.attr("cx", x(losses.length - 1)).attr("cy", y(losses[losses.length - 1]));
    this.svg.attr(
      "aria-label",
      `the loss after ${losses.length - 1} steps: ${losses[losses.length - 1].toPrecision(4)}; ` +
        `at first ${losses[0].toPrecision(4)}`,
    );
  }
}
