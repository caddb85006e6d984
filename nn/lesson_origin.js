/* lesson_origin.js - where a number of the lesson comes from: its formula, and the same with the
   numbers put in, as MathML made element by element. */
import { make, math } from "../engine/explain/page.js";
import { num } from "./lesson_data.js";

const MOST_TERMS = 6;

/* A part is a number or a text, which becomes a token, or a list: ["frac", a, b], ["sub", a, b],
   ["sup", a, b], ["row", ...], ["text", words]. */
function mathPart(part) {
  if (!Array.isArray(part)) {
    const text = typeof part === "number" ? num(part) : part;
    return math(
      /^−?[0-9.]+(e[+−-]?[0-9]+)?$/.test(text) ? "mn" : /^[\p{L}′]+$/u.test(text) ? "mi" : "mo",
      text,
    );
  }
  const [kind, ...rest] = part;
  if (kind === "text") return math("mtext", ...rest);
  return math(
    { frac: "mfrac", sub: "msub", sup: "msup", row: "mrow" }[kind],
    ...rest.map(mathPart),
  );
}

export const mathOf = (...parts) => math("math", ...parts.map(mathPart));

const bracket = x => (x < 0 ? ["row", "(", x, ")"] : x);
const derivative = (of, index) => [
  "frac",
  ["row", "∂", "C"],
  ["row", "∂", index ? ["sub", of, index] : of],
];

/* The terms joined by plus signs; of many the first few and a sign for the rest. */
function joined(terms) {
  const some = terms.length > MOST_TERMS + 1 ? [...terms.slice(0, MOST_TERMS), "…"] : terms;
  return some.flatMap((term, k) => (k === 0 ? [term] : ["+", term]));
}
const product = (x, y) => ["row", bracket(x), "·", bracket(y)];

const origins = {
  x: () => ["This is an input of the example. It is locked: learning never changes it."],
  y: () => ["This is what the example says is right."],
  w: parameterOrigin,
  b: parameterOrigin,
  z(d, e, l, j) {
    const n = d.sizes[l - 1],
      terms = [...Array(n).keys()].map(i =>
        product(d.value(e, `w:${l}:${j}:${i}`), d.value(e, `a:${l - 1}:${i}`)),
      );
    return [
      "The sum of all weights times the activations they multiply, plus the bias.",
      mathOf("z", "=", "∑", ["sub", "w", "i"], ["sub", "a", "i"], "+", "b"),
      mathOf(
        ...joined(terms),
        "+",
        bracket(d.value(e, `b:${l}:${j}`)),
        "=",
        d.value(e, `z:${l}:${j}`),
      ),
    ];
  },
  a(d, e, l, j) {
    if (l === 0) return origins.x();
    const f = d.activation(l),
      z = d.value(e, `z:${l}:${j}`),
      a = d.value(e, `a:${l}:${j}`);
    if (f === "identity")
      return ["The activation is the sum itself.", mathOf("a", "=", "z", "=", a)];
    return [
      `The function ${f} of the sum z.`,
      mathOf("a", "=", ["text", f], "(", "z", ")"),
      mathOf(["text", f], "(", z, ")", "=", a),
    ];
  },
  p(d, e, l, j) {
    if (d.squares) return origins.a(d, e, d.depth, j);
    const a = d.batch[e].layers[d.depth - 1].a,
      power = x => ["sup", "e", ["row", x]];
    return [
      "Softmax: e to the power of this output, divided by the sum of all such powers. So all " +
        "are above 0, and add up to 1.",
      mathOf(["sub", "p", "k"], "=", [
        "frac",
        ["sup", "e", ["sub", "a", "k"]],
        ["row", "∑", ["sup", "e", ["sub", "a", "i"]]],
      ]),
      mathOf(["frac", power(a[j]), ["row", ...joined(a.map(power))]], "=", d.value(e, `p:0:${j}`)),
    ];
  },
  c(d, e) {
    const { guess, wanted, loss } = d.batch[e];
    if (d.squares)
      return [
        "The loss: each output's distance from what is wanted, squared; their sum.",
        mathOf("C", "=", "∑", [
          "sup",
          ["row", "(", ["sub", "a", "k"], "−", ["sub", "y", "k"], ")"],
          "2",
        ]),
        mathOf(
          ...joined(
            guess.map((x, k) => ["sup", ["row", "(", x, "−", bracket(wanted[k]), ")"], "2"]),
          ),
          "=",
          loss,
        ),
      ];
    return [
      "The loss: minus the logarithm of the probability given to the right class. It is 0 for " +
        "probability 1, and grows without end as the probability goes to 0.",
      mathOf("C", "=", "−", ["text", "ln"], ["sub", "p", ["text", "right"]]),
      mathOf("−", ["text", "ln"], "(", guess[wanted.indexOf(1)], ")", "=", loss),
    ];
  },
  da(d, e, l, j) {
    const da = d.value(e, `da:${l}:${j}`);
    if (l < d.depth)
      return [
        "This activation moves the sums z of all units to the right, and all move the loss: the " +
          "changes add. Each is the gradient of that z times the weight that leads to it.",
        mathOf(derivative("a"), "=", "∑", derivative("z", "k"), ["sub", "w", "k"]),
        mathOf(
          ...joined(
            [...Array(d.sizes[l + 1]).keys()].map(k =>
              product(d.value(e, `dz:${l + 1}:${k}`), d.value(e, `w:${l + 1}:${k}:${j}`)),
            ),
          ),
          "=",
          da,
        ),
      ];
    const out = d.value(e, `p:0:${j}`),
      y = d.value(e, `y:0:${j}`);
    return d.squares
      ? [
          "The derivative of a square is twice what is squared.",
          mathOf(derivative("a"), "=", "2", "(", "a", "−", "y", ")"),
          mathOf("2", "(", out, "−", bracket(y), ")", "=", da),
        ]
      : [
          "For softmax and the logarithm together it is the probability minus what is wanted.",
          mathOf(derivative("a"), "=", "p", "−", "y"),
          mathOf(out, "−", y, "=", da),
        ];
  },
  dz(d, e, l, j) {
    const da = d.value(e, `da:${l}:${j}`),
      dz = d.value(e, `dz:${l}:${j}`);
    if (d.activation(l) === "identity")
      return [
        "The activation is the sum itself, so the gradient is the same.",
        mathOf(derivative("z"), "=", derivative("a"), "=", dz),
      ];
    const slope = da === 0 ? [] : [mathOf(bracket(da), "·", bracket(dz / da), "=", dz)];
    return [
      `The gradient of the activation times the slope of ${d.activation(l)} at ` +
        `z = ${num(d.value(e, `z:${l}:${j}`))}.`,
      mathOf(derivative("z"), "=", derivative("a"), "·", ["sup", "f", "′"], "(", "z", ")"),
      ...slope,
    ];
  },
  dw(d, e, l, j, i) {
    return [
      "The gradient of the unit's sum z, which is minus what the unit wants of it, times the " +
        "activation that this weight multiplies.",
      mathOf(derivative("w"), "=", derivative("z"), "·", "a"),
      mathOf(
        product(d.value(e, `dz:${l}:${j}`), d.value(e, `a:${l - 1}:${i}`)),
        "=",
        d.value(e, `dw:${l}:${j}:${i}`),
      ),
      otherWay("weight", d.value(e, `dw:${l}:${j}:${i}`)),
    ];
  },
  db(d, e, l, j) {
    return [
      "A bias is added to the sum as it is, so its gradient is that of the sum.",
      mathOf(derivative("b"), "=", derivative("z"), "=", d.value(e, `db:${l}:${j}`)),
      otherWay("bias", d.value(e, `db:${l}:${j}`)),
    ];
  },
  mw: meanOrigin,
  mb: meanOrigin,
  nw: stepOrigin,
  nb: stepOrigin,
};

/* Why a table of wishes has the other sign. */
const otherWay = (what, x) =>
  x === 0
    ? `It is 0: the ${what} should stay.`
    : `To lower the loss, the ${what} should go the other way: ` +
      `${x < 0 ? "▲ " : "▼ "}${num(-x)}.`;

/* Of one example the mean is its gradient: then that is asked for. */
export const keyAsked = (d, key) =>
  d.batch.length === 1 && /^m[wb]:/.test(key) ? "d" + key.slice(1) : key;

function parameterOrigin() {
  return ["A number that learning changes. It began at random, and moves a little in each step."];
}
function meanOrigin(d, e, l, j, i) {
  const end = i === undefined ? `b:${l}:${j}` : `w:${l}:${j}:${i}`,
    n = d.batch.length;
  const each = d.batch.map((_, k) => bracket(d.value(k, "d" + end)));
  return [
    `The mean of the gradients of the ${n} examples.`,
    mathOf(["frac", ["row", ...joined(each)], String(n)], "=", d.value(0, "m" + end)),
  ];
}
function stepOrigin(d, e, l, j, i) {
  const end = i === undefined ? `b:${l}:${j}` : `w:${l}:${j}:${i}`;
  return [
    "The old value minus the rate times the gradient.",
    mathOf(["sub", "w", ["text", "new"]], "=", "w", "−", "η", derivative("w")),
    mathOf(
      d.value(0, end),
      "−",
      d.json.rate,
      "·",
      bracket(d.value(0, "m" + end)),
      "=",
      d.value(0, "n" + end),
    ),
  ];
}

const called = {
  x: "input",
  y: "wanted",
  w: "weight",
  b: "bias",
  z: "sum z",
  a: "activation a",
  p: "output",
  c: "loss C",
  da: "gradient ∂C/∂a",
  dz: "gradient ∂C/∂z",
  dw: "gradient ∂C/∂w",
  db: "gradient ∂C/∂b",
  mw: "mean gradient ∂C/∂w",
  mb: "mean gradient ∂C/∂b",
  nw: "new weight",
  nb: "new bias",
};

export function titleOf(d, key) {
  const [what, l, j, i] = key.split(":");
  if (what === "c") return "loss C";
  const l1 = what === "p" || what === "y" ? d.depth : Number(l);
  const of = i !== undefined ? d.weightName(l1, Number(j), Number(i)) : d.name(l1, Number(j));
  return `${what === "p" && !d.squares ? "probability" : called[what]} · ${of}`;
}

/* A block with the title, the value, the words and the formulas. */
export function originOf(d, example, key) {
  const [what, ...at] = key.split(":"),
    parts = origins[what](d, example, ...at.map(Number));
  return make(
    "div",
    { class: "origin" },
    make("h3", {}, titleOf(d, key), " = ", make("b", {}, num(d.value(example, key)))),
    ...parts.map(part => make("p", {}, part)),
  );
}
