/* exercise_list.js - the twelve exercises as data.

   An exercise is
     id, level, title, hint
     vary(pick)          its numbers, from a seeded choice: pick(a, b, c) is one of them
     text(v), values(v)  the formula that the engine is asked
     bug(v)              which wrong pass is shown (optional)
     question(v, data)   words; data is what the engine answered
     answer(v, data, ask)   a number, or with `choices` the index of the right one
     choices(v, data, ask)  texts to choose from (optional)
     traps(v, data)      [[number, sentence]]: answers that come from a known misunderstanding
     wrong(k, prepared)  of choices: a sentence on choice k, which is not right (optional)
     why(v, data, ask)   the step that explains
   Invariant: no answer stands here: each is read from the engine's trace, or computed from its
   numbers. */
import { shorten as short } from "../../engine/explain/page.js";

export const LEVELS = ["one node", "a graph", "learning", "finding what is wrong"];
const by = name => (v, data) => Number(data.trace.result[name]);
const value = (data, name) => Number(data.trace.nodes.find(n => n.name === name).value);
const output = data => Number(data.trace.nodes.find(n => n.id === data.trace.output).value);
const edgesOf = data =>
  data.trace.steps.flatMap(s => s.edges.map(e => ({ ...e, from: s.node, upstream: s.upstream })));
const nameOf = (data, id) => data.trace.nodes.find(n => n.id === id).name || "#" + id;
const factor = x =>
  x < 0 ? `(${short(x)})` : short(x); /* after an operator a minus needs brackets */
const given = values =>
  Object.entries(values)
    .map(([n, x]) => `${n} = ${short(x)}`)
    .join(", ");

/* ---- the slope of the sigmoid at three places ------------------------------------------------ */

const slopes = (v, ask) => v.at.map(x => Number(ask("y = sigmoid(x); y", { x }).trace.result.x));
const least = numbers => numbers.indexOf(Math.min(...numbers));

/* ---- a backward pass that goes wrong --------------------------------------------------------- */

/* A depth-first order is harmless unless a node that sends on has two users: so c has. */
const DEPTH_FIRST = 2;
const passOf = ({ bug }) =>
  bug === DEPTH_FIRST ? "c = a*b; d = c + 1; e = c*d" : "c = a + b; d = b + 1; e = c*d";

/* What comes too late is added rightly; what went wrong is that its node had sent before. */
function firstWrong(edges) {
  const fault = edges.find(e => e.fault);
  return fault.fault === "late" ? edges.findIndex(e => e.from === fault.to) : edges.indexOf(fault);
}

/* ---- three checks: a kink, a step that is too small, a wrong gradient ------------------------ */

const CHECKS = {
  kink: {
    text: "abs(x)",
    x: 1e-7,
    h: 1e-4,
    bug: 0,
    says:
      "x ± h lies on both sides of the kink: the difference mixes two slopes, and the " +
      "gradient is right",
  },
  tiny: {
    text: "x^3",
    x: 2,
    h: 1e-15,
    bug: 0,
    says: "h is so small that rounding decides the difference, and the gradient is right",
  },
  wrong: {
    text: "x*x",
    x: 3,
    h: 1e-4,
    bug: 1,
    says:
      "nothing disturbs the difference: the gradient is wrong; the second contribution " +
      "overwrote the first",
  },
};
function checked(kind, ask) {
  const { text, x, h, bug } = CHECKS[kind],
    at = z => output(ask(text, { x: z }));
  return {
    ...CHECKS[kind],
    kind,
    gradient: Number(ask(text, { x }, bug).trace.result.x),
    right: Number(ask(text, { x }).trace.result.x),
    difference: (at(x + h) - at(x - h)) / (2 * h),
  };
}
const checks = (v, ask) => v.order.map(kind => checked(kind, ask));

const gradientStep = (v, g) => v.w - v.r * g;

export const list = [
  {
    id: "product",
    level: 0,
    title: "A product",
    hint: "Hold b still. How much does a*b grow for each unit that a grows?",
    vary: pick => ({ a: pick(2, 3, -4, 5), b: pick(7, -6, 0.5, 9) }),
    text: () => "y = a*b; y",
    values: v => ({ a: v.a, b: v.b }),
    question: v => `y = a*b with ${given(v)}. What is ∂y/∂a?`,
    answer: by("a"),
    traps: v => [
      [v.a, "That is a itself, the derivative by b: by a, the other factor remains."],
      [v.a * v.b, "That is the value of y, not how fast it changes."],
      [-v.b, "Look at the sign."],
    ],
    why: (v, d) =>
      `Each factor's derivative is the other factor: ∂y/∂a = b = ${short(by("a")(v, d))}.`,
  },

  {
    id: "chain",
    level: 0,
    title: "The chain rule",
    hint: "First ∂y/∂u = 1 − y², then ∂u/∂x = a. Multiply.",
    vary: pick => ({ a: pick(2, 3, -2, 4), x: pick(0.25, 0.2, -0.3, 0.1) }),
    text: () => "u = a*x; y = tanh(u); y",
    values: v => ({ a: v.a, x: v.x }),
    question: (v, d) =>
      `u = a*x, y = tanh(u) with ${given(v)}; so y = ${short(output(d))}. The derivative of ` +
      "tanh is 1 − y². What is ∂y/∂x?",
    answer: by("x"),
    traps: (v, d) => [
      [1 - output(d) ** 2, "That is ∂y/∂u: the factor of the chain, ∂u/∂x = a, is missing."],
      [v.a, "That is ∂u/∂x: the factor of tanh is missing."],
      [(1 - output(d) ** 2) * v.x, "That is ∂y/∂a: the derivative of a*x by x is a."],
    ],
    why: (v, d) =>
      `∂y/∂x = (1 − y²)·a = ${short(1 - output(d) ** 2)}·${factor(v.a)} = ${short(by("x")(v, d))}.`,
  },

  {
    id: "fork",
    level: 1,
    title: "A fork",
    hint: "b reaches e along two paths. Find what each brings, and add.",
    vary: pick => ({ a: pick(2, 3, 5), b: pick(1, 4, -2, 6) }),
    text: () => "c = a + b; d = b + 1; e = c*d; e",
    values: v => v,
    question: v => `c = a + b, d = b + 1, e = c*d with ${given(v)}. What is ∂e/∂b?`,
    answer: by("b"),
    traps: (v, d) => [
      [
        value(d, "c"),
        "That is what comes along d alone. At a fork gradients add: = in place of += loses the " +
          "other.",
      ],
      [
        value(d, "d"),
        "That is what comes along c alone. At a fork gradients add: = in place of += loses the " +
          "other.",
      ],
      [
        value(d, "c") * value(d, "d"),
        "The two paths were multiplied: along a path we multiply, where paths meet we add.",
      ],
    ],
    why: (v, d) =>
      `Along c: d·1 = ${short(value(d, "d"))}. Along d: c·1 = ${short(value(d, "c"))}. ` +
      `Gradients add: ${short(by("b")(v, d))}.`,
  },

  {
    id: "twice",
    level: 1,
    title: "A node used twice",
    hint: "x*x has two operands; both are x.",
    vary: pick => ({ x: pick(3, 4, -5, 7), k: pick(2, 6, -3) }),
    text: () => "y = x*x + k*x; y",
    values: v => v,
    question: v => `y = x*x + k*x with ${given(v)}. What is ∂y/∂x?`,
    answer: by("x"),
    traps: v => [
      [v.x + v.k, "One of the two x in x*x was forgotten: each of them sends a gradient."],
      [2 * v.x, "The path through k*x is missing."],
      [v.k, "The paths through x*x are missing."],
    ],
    why: (v, d) =>
      "Three arrows leave x, two to x*x and one to k*x. Along them come back x, x and " +
      `k: ${short(v.x)} + ${factor(v.x)} + ${factor(v.k)} = ${short(by("x")(v, d))}.`,
  },

  {
    id: "saturated",
    level: 1,
    title: "A saturated sigmoid",
    hint: "Its curve is an S: steep in the middle, flat at both ends.",
    vary: pick => ({ at: pick([0, 2, -8], [-9, 1, 3], [1, 7, -3], [-2, 0.5, 10]) }),
    text: () => "y = sigmoid(x); y",
    values: v => ({ x: v.at[0] }),
    question: () => "y = sigmoid(x). At which of these x is the gradient ∂y/∂x smallest?",
    choices: v => v.at.map(x => "x = " + short(x)),
    answer: (v, d, ask) => least(slopes(v, ask)),
    why: (v, d, ask) =>
      `∂y/∂x = y·(1 − y): ${slopes(v, ask)
        .map((s, k) => `${short(s)} at x = ${short(v.at[k])}`)
        .join("; ")}. Far from 0 the sigmoid is saturated: hardly any gradient passes.`,
  },

  {
    id: "relu",
    level: 1,
    title: "The dead side of relu",
    hint: "Compute w*x + b first. Is it above or below 0?",
    vary: pick => ({ w: pick(2, -3, -1), x: pick(3, 2, 4), b: pick(1, -1) }),
    text: () => "u = w*x + b; y = relu(u); y",
    values: v => v,
    question: v => `u = w*x + b, y = relu(u) with ${given(v)}. What is ∂y/∂w?`,
    answer: by("w"),
    traps: v => [
      [v.x, "That is ∂u/∂w. But u is below 0, and there relu is flat."],
      [0, "u is above 0: relu lets the gradient through."],
      [v.w, "That is the derivative by x."],
    ],
    why: (v, d) =>
      `u = ${short(value(d, "u"))} is ` +
      (value(d, "u") > 0
        ? "above 0: relu passes the gradient on unchanged, ∂y/∂w = x"
        : "not above 0: relu's derivative is 0, and so is all before it") +
      ` = ${short(by("w")(v, d))}.`,
  },

  {
    id: "vanishing",
    level: 1,
    title: "A product that vanishes",
    hint: "One factor w for each layer.",
    vary: pick => ({ w: pick(0.5, 0.2, 0.1, -0.5), x: pick(1, 2, 3) }),
    text: () => "a = w*x; b = w*a; c = w*b; y = w*c; y",
    values: v => v,
    question: v =>
      `Four layers: a = w*x, b = w*a, c = w*b, y = w*c with ${given(v)}. What is ∂y/∂x?`,
    answer: by("x"),
    traps: v => [
      [4 * v.w, "The factors were added: along a path they are multiplied."],
      [v.w, "That is one layer; there are four."],
      [v.w ** 3, "That is three layers; there are four."],
    ],
    why: (v, d) =>
      `w·w·w·w = ${short(by("x")(v, d))}. Each layer multiplies once more: below 1 the product ` +
      "vanishes, above 1 it explodes.",
  },

  {
    id: "descent",
    level: 2,
    title: "One step downhill",
    hint: "new w = old w − rate·gradient.",
    vary: pick => ({
      w: pick(1, 2, 0.5),
      x: pick(2, 3),
      t: pick(5, 1, -2),
      r: pick(0.1, 0.05),
    }),
    text: () => "L = (w*x - t)^2; L",
    values: ({ w, x, t }) => ({ w, x, t }),
    question: v =>
      `L = (w*x − t)² with w = ${short(v.w)}, x = ${short(v.x)}, t = ${short(v.t)}. One step ` +
      `of gradient descent with rate ${short(v.r)}: what is the new w?`,
    answer: (v, d) => gradientStep(v, by("w")(v, d)),
    traps: (v, d) => {
      const g = by("w")(v, d);
      return [
        [v.w + v.r * g, "That goes uphill: the gradient is subtracted."],
        [g, "That is the gradient; the step is still to be made."],
        [v.w - g, "The rate is missing."],
        [v.w - (v.r * g) / v.x, "The chain factor x is missing from the gradient."],
        [v.w - (v.r * g) / 2, "The square brings a factor 2."],
      ];
    },
    why: (v, d) =>
      `∂L/∂w = 2(w·x − t)·x = ${short(by("w")(v, d))}; new ` +
      `w = ${short(v.w)} − ${short(v.r)}·${factor(by("w")(v, d))} = ` +
      `${short(gradientStep(v, by("w")(v, d)))}.`,
  },

  {
    id: "batch",
    level: 2,
    title: "The mean over a batch",
    hint: "Each example has its own gradient. The loss is their mean.",
    vary: pick => ({
      w: pick(1, 2),
      x1: pick(1, 2),
      t1: pick(4, 3),
      x2: pick(3, -1),
      t2: pick(1, -2),
    }),
    text: () => "L = ((w*x1 - t1)^2 + (w*x2 - t2)^2)/2; L",
    values: v => v,
    question: v => `L = ((w*x1 − t1)² + (w*x2 − t2)²)/2 with ${given(v)}. What is ∂L/∂w?`,
    answer: by("w"),
    traps: (v, d) => [
      [2 * by("w")(v, d), "That is the sum over the batch: the mean divides by 2."],
      [2 * (v.w * v.x1 - v.t1) * v.x1, "That is the first example alone."],
      [2 * (v.w * v.x2 - v.t2) * v.x2, "That is the second example alone."],
    ],
    why: (v, d) =>
      `The examples ask for ${short(2 * (v.w * v.x1 - v.t1) * v.x1)} ` +
      `and ${short(2 * (v.w * v.x2 - v.t2) * v.x2)}; their mean is ${short(by("w")(v, d))}.`,
  },

  {
    id: "softmax",
    level: 2,
    title: "Softmax and cross-entropy",
    hint: "Probability minus truth: p − 1 for the right class, p for the others.",
    vary: pick => ({ a: pick(1, 0, 2), b: pick(0.5, -1, 1.5), c: pick(0, 3) }),
    text: () => "L = log(exp(a) + exp(b) + exp(c)) - b; L",
    values: v => v,
    question: (v, d) => {
      const p = ["a", "b", "c"].map(n => Number((by(n)(v, d) + (n === "b")).toPrecision(4)));
      return (
        `Softmax turns the scores a, b, c into probabilities ${p.map(short).join(", ")}. ` +
        "The right class is b, and the loss is L = −log p_b. What is ∂L/∂b?"
      );
    },
    answer: by("b"),
    traps: (v, d) => [
      [1 + by("b")(v, d), "That is p itself: the truth, 1, is still to be subtracted."],
      [-by("b")(v, d), "The sign: a higher score of the right class lowers the loss."],
    ],
    why: (v, d) => `∂L/∂b = p − 1 = ${short(1 + by("b")(v, d))} − 1 = ${short(by("b")(v, d))}.`,
  },

  {
    id: "bug",
    level: 3,
    title: "The bug in a backward pass",
    hint:
      "Each gradient begins at 0, and what arrives is added: check every “before → after”. And a " +
      "node sends only when all has arrived that it will ever receive.",
    vary: pick => ({ a: pick(2, 3, 5), b: pick(1, 4, 6), bug: pick(1, 2, 3) }),
    text: v => `${passOf(v)}; e`,
    values: ({ a, b }) => ({ a, b }),
    bug: v => v.bug,
    question: v =>
      `${passOf(v).replace(/;/g, ",")} with a = ${short(v.a)}, b = ${short(v.b)}. A program made ` +
      "this backward pass, and its gradients are wrong. Which is the first line that goes wrong?",
    choices: (v, d) =>
      edgesOf(d).map(
        e =>
          `${nameOf(d, e.from)} sends to ${nameOf(d, e.to)}: ` +
          `${short(e.upstream)} · ${factor(e.local)} = ${short(e.contribution)}; ` +
          `${nameOf(d, e.to)}: ${short(e.before)} → ${short(e.after)}`,
      ),
    answer: (v, d) => firstWrong(edgesOf(d)),
    wrong: (k, { data, answer }) => {
      const e = edgesOf(data)[k];
      if (k > answer) return "An earlier line is wrong already.";
      return (
        `${nameOf(data, e.to)} held ${short(e.before)}, and ${short(e.contribution)} came: ` +
        `${short(e.after)} is what it should hold then.`
      );
    },
    why: (v, d) => {
      const e = edgesOf(d).find(one => one.fault);
      if (e.fault === "late")
        return (
          `${nameOf(d, e.to)} was visited too early: it sent on what it had, ` +
          `${short(e.before)}, and then ${short(e.contribution)} more arrived from ` +
          `${nameOf(d, e.from)}. A node must wait until all its users have sent.`
        );
      return e.fault === "lost"
        ? `${nameOf(d, e.to)} held ${short(e.before)} and now holds ${short(e.after)}: = in ` +
            "place of +=; what stood there is lost."
        : `${nameOf(d, e.to)} began at ${short(e.before)}, not at 0: gradients of an earlier ` +
            "pass were not set to zero.";
    },
  },

  {
    id: "checks",
    level: 3,
    title: "Which check finds a wrong gradient?",
    hint: "For which of them would a better step h still disagree?",
    vary: pick => ({
      order: pick(
        ["kink", "tiny", "wrong"],
        ["wrong", "kink", "tiny"],
        ["tiny", "wrong", "kink"],
        ["kink", "wrong", "tiny"],
      ),
    }),
    text: () => CHECKS.wrong.text,
    values: () => ({ x: CHECKS.wrong.x }),
    bug: () => CHECKS.wrong.bug,
    question: () =>
      "Each gradient is compared with (f(x + h) − f(x − h))/(2h). All three disagree. For " +
      "which one is the gradient itself wrong?",
    choices: (v, d, ask) =>
      checks(v, ask).map(
        c =>
          `f = ${c.text} at x = ${c.x}, h = ${c.h}: gradient ${short(c.gradient)}, ` +
          `difference ${short(c.difference)}`,
      ),
    answer: (v, d, ask) => checks(v, ask).findIndex(c => c.gradient !== c.right),
    why: (v, d, ask) =>
      checks(v, ask)
        .map(c => `${c.text}: ${c.says}.`)
        .join(" "),
  },
];
