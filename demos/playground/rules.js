/* rules.js - the rule of a step with the numbers put in, as mathematics.

   The partial derivatives are the texts of the engine's table of operations, in which x and y are
   the operands and v is the result. Where that text is written for the last digit rather than for
   the eye, a shorter one that says the same stands here. */
import { make, math, shorten } from "../../engine/explain/page.js";

const SHORT = {
  tanh: ["1 - v^2"],
  sigmoid: ["v*(1 - v)"],
  relu: ["x > 0 ? 1 : 0"],
  abs: ["x > 0 ? 1 : -1"],
  sqrt: ["1/(2*v)"],
  pow: ["y*x^(y - 1)", "v*log(x)"],
  exp2: ["v*log(2)"],
  log2: ["1/(x*log(2))"],
  log10: ["1/(x*log(10))"],
  asin: ["1/sqrt(1 - x^2)"],
  acos: ["-1/sqrt(1 - x^2)"],
  atan: ["1/(1 + x^2)"],
  asinh: ["1/sqrt(x^2 + 1)"],
  acosh: ["1/sqrt(x^2 - 1)"],
  atanh: ["1/(1 - x^2)"],
  softplus: ["sigmoid(x)"],
  dot: ["y"],
};

export const fraction = (top, bottom) =>
  math("mfrac", math("mrow", ...[top].flat()), math("mrow", ...[bottom].flat()));
export const number = x =>
  Number(x) < 0 || Object.is(Number(x), -0)
    ? math("mrow", math("mo", "("), math("mn", shorten(x).replace("-", "−")), math("mo", ")"))
    : math("mn", shorten(x));
export const sign = text => math("mo", text);
export const name = text => math("mi", text);
export const partial = (of, by) => fraction([sign("∂"), name(of)], [sign("∂"), name(by)]);
export function formula(...children) {
  const element = math("math", math("mrow", ...children));
  element.setAttribute("display", "block");
  return element;
}

/* A text of mathematics: names, numbers, operators; x^2 is a superscript. */
export function mathOf(text) {
  const tokens =
      text.match(/[A-Za-z_#][A-Za-z0-9_#]*|\d+\.?\d*(?:e[-+]?\d+)?|<=|>=|==|!=|\S/g) || [],
    row = [];
  for (let k = 0; k < tokens.length; k++) {
    const t = tokens[k];
    if (t === "^" && row.length > 0 && /^[A-Za-z0-9_#]/.test(tokens[k + 1] || "")) {
      row.push(
        math(
          "msup",
          row.pop(),
          /^\d/.test(tokens[k + 1]) ? math("mn", tokens[k + 1]) : math("mi", tokens[k + 1]),
        ),
      );
      k++;
    } else
      row.push(
        /^[A-Za-z_#]/.test(t)
          ? math("mi", t)
          : /^\d/.test(t)
            ? math("mn", t)
            : math("mo", { "*": "·", "-": "−" }[t] || t),
      );
  }
  return row;
}

/* Which operand an edge of a step is: edges come in the order of the operands. */
function operandOf(node, step, edge) {
  const same = step.edges.filter(e => e.to === edge.to).indexOf(edge);
  return node.args.map((a, k) => [a, k]).filter(([a]) => a === edge.to)[same]?.[1] ?? -1;
}

/* The text of the partial derivative with the operands' names in it, or "" where the table has
   none. */
export function partialText(rules, steps, step, edge) {
  const node = steps.nodes.get(step.node),
    k = operandOf(node, step, edge),
    texts = SHORT[node.op] || rules[node.op]?.slice(1);
  const text = node.op === "sum" ? "1" : texts?.[Math.min(k, (texts?.length || 1) - 1)];
  if (!text || k < 0 || (node.args.length > 2 && node.op !== "sum")) return "";
  const word = a => (typeof a === "number" ? steps.label(a) : shorten(a?.value));
  const put = { x: word(node.args[0]), y: word(node.args[1]), v: steps.label(node.id) };
  return text.replace(/\b[xyv]\b/g, letter => put[letter]);
}

/* The rule of one step of the sweep: the local derivative, with the numbers put in. */
export function ruleOf(rules, step, edge, steps) {
  const from = steps.label(step.node),
    to = steps.label(edge.to),
    text = partialText(rules, steps, step, edge);
  const value = shorten(edge.local),
    plain = text !== "" && text !== value;
  const box = make("div", { class: "rule" });
  box.append(
    formula(
      math("mtext", "local"),
      sign("="),
      partial(from, to),
      sign("="),
      ...(plain ? [...mathOf(text), sign("=")] : []),
      math("mn", value.replace("-", "−")),
    ),
  );
  return box;
}
