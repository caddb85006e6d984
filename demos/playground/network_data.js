/* network_data.js - the examples of the room: flowers, a handwritten digit, xor, numbers that were
   typed in.

   A source gives { inputs, targets, names, classes, image, rows, about }: rows of numbers,
     for each the class or the
   numbers wanted. Flowers are lines of demos/data/iris.csv,
     standardised by the means and deviations of all 150; digits
   are lines of demos/data/digits.csv (E. Alpaydin and C. Kaynak, CC BY 4.0), counts of ink from 0
   to 16. */
import { num } from "../../nn/lesson_data.js";

export const MOST_EXAMPLES = 6;
const MOST_OWN = 8; /* inputs, or numbers wanted, of one's own example */

/* Line of the file, from 0; petal length, petal width, sepal length, sepal width in cm; species. */
const flowers = [
  [60, [3.5, 1.0, 5.0, 2.0], 1],
  [10, [1.5, 0.2, 5.4, 3.7], 0],
  [110, [5.1, 2.0, 6.5, 3.2], 2],
  [24, [1.9, 0.2, 4.8, 3.4], 0],
  [77, [5.0, 1.7, 6.7, 3.0], 1],
  [133, [5.1, 1.5, 6.3, 2.8], 2],
];
const measured = ["petal length", "petal width", "sepal length", "sepal width"];
/* Mean and deviation of each over all 150 flowers, in the same order. */
const mean = [3.758, 1.1993333333333334, 5.843333333333334, 3.0573333333333332];
const deviation = [1.7594040657753032, 0.7596926279021594, 0.8253012917851409, 0.43441096773549437];

/* Line of the file, the digit, 8 x 8 counts as base 17 digits, row by row. */
const digits = [
  [3, 3, "007fd10008d6f400021dd000002fb1000001cc1000001a8000845e90007dd900"],
  [7, 7, "0078dgf100774bc000008d100488ff6002bff400000g5000009f100000d50000"],
  [0, 0, "005d910000dfaf5003f20b8004c008800580098004b01c7002e5ac00006da000"],
  [8, 8, "009e810000ceec00009a0f40003gce20004gg20003g8ad2001f13g8000bgfb10"],
  [1, 1, "000cd500000bg900003fg60007fgg200001gg300001gg600001gg600000bga00"],
  [2, 2, "0004fc00003gfe00008d8g000016fb00018df10009gg500003dggb500003bg90"],
];
const MOST_INK = 16;

const sources = {
  iris: () => ({
    inputs: flowers.map(([, cm]) => cm.map((x, i) => (x - mean[i]) / deviation[i])),
    targets: flowers.map(flower => [flower[2]]),
    names: measured,
    classes: ["setosa", "versicolor", "virginica"],
    image: 0,
    rows: flowers.map(
      ([line, , species]) =>
        `flower ${line + 1}, ${["setosa", "versicolor", "virginica"][species]}`,
    ),
    about: k =>
      "Four lengths of an iris, in centimetres, and its species. The inputs are standardised: " +
      "from each length its mean over 150 flowers is subtracted, " +
      "and the rest is divided by the standard deviation, the usual distance from the mean. So " +
      "0 means average, and lengths of different size count alike. " +
      `Here the ${measured[0]} is ${flowers[k][1][0]} ` +
      `cm: (${flowers[k][1][0]} − ${mean[0].toFixed(3)}` +
      `) / ${deviation[0].toFixed(3)} = ${num((flowers[k][1][0] - mean[0]) / deviation[0])}.`,
  }),
  digit: () => ({
    inputs: digits.map(([, , ink]) => [...ink].map(c => parseInt(c, 17) / MOST_INK)),
    targets: digits.map(digit => [digit[1]]),
    names: [...Array(64).keys()].map(i => `row ${Math.floor(i / 8) + 1} column ${(i % 8) + 1}`),
    classes: [..."0123456789"],
    image: 8,
    rows: digits.map(([line, digit]) => `image ${line + 1}, a ${digit}`),
    about: () =>
      "A handwritten digit, 8 by 8 pixels. Each pixel is an input: 0 without ink, 1 full of " +
      "ink. (Alpaydin and Kaynak, CC BY 4.0.)",
  }),
  xor: () => ({
    inputs: [
      [0, 1],
      [0, 0],
      [1, 0],
      [1, 1],
    ],
    targets: [[1], [0], [1], [0]],
    names: ["x1", "x2"],
    classes: ["equal", "different"],
    image: 0,
    rows: ["0 and 1", "0 and 0", "1 and 0", "1 and 1"],
    about: () =>
      "Exclusive or: 1 if the two inputs differ, 0 if they are equal. No network without a " +
      "hidden layer can learn all four.",
  }),
};

/* One's own: a line is an example, numbers, an arrow ->, the numbers wanted. Throws an Error with
   a sentence. */
export function parseOwn(text, squares) {
  const lines = text
    .split("\n")
    .map(line => line.trim())
    .filter(line => line !== "");
  if (lines.length === 0)
    throw new Error(
      "Type an example: its inputs, an arrow ->, and what is wanted, as in: 0.5, 1 -> 1",
    );
  if (lines.length > MOST_EXAMPLES)
    throw new Error(
      `At most ${MOST_EXAMPLES} examples learn together here; these are ${lines.length} lines.`,
    );
  const examples = lines.map((line, n) => {
    const sides = line.split(/->|→/);
    if (sides.length !== 2)
      throw new Error(`Line ${n + 1} needs one arrow -> between the inputs and what is wanted.`);
    return sides.map(side =>
      side
        .split(/[\s,;]+/)
        .filter(word => word !== "")
        .map(word => numberOfWord(word, n)),
    );
  });
  examples.forEach(([inputs, wanted], n) => checkOwn(inputs, wanted, examples[0], n, squares));
  const most = Math.max(1, ...examples.map(([, wanted]) => wanted[0]));
  return {
    inputs: examples.map(e => e[0]),
    targets: examples.map(e => e[1]),
    names: examples[0][0].map((_, i) => `x${i + 1}`),
    classes: squares
      ? examples[0][1].map((_, i) => `y${i + 1}`)
      : [...Array(most + 1).keys()].map(c => `class ${c}`),
    image: 0,
    rows: lines.map((_, n) => `line ${n + 1}`),
    about: () =>
      "Your own numbers, as they are." +
      (examples[0][0].length === 2 ? " As points of a plane, x1 is x and x2 is y." : ""),
  };
}
function numberOfWord(word, n) {
  const x = Number(word);
  if (!Number.isFinite(x) || Math.abs(x) > 1e6)
    throw new Error(
      `Line ${n + 1}: “${[...word].slice(0, 20).join("")}” is not a number that can be used here.`,
    );
  return x;
}
function checkOwn(inputs, wanted, first, n, squares) {
  if (
    inputs.length < 1 ||
    inputs.length > MOST_OWN ||
    wanted.length < 1 ||
    wanted.length > MOST_OWN
  )
    throw new Error(
      `Line ${n + 1} needs 1 to ${MOST_OWN} inputs and 1 to ${MOST_OWN} numbers wanted.`,
    );
  if (inputs.length !== first[0].length || wanted.length !== first[1].length)
    throw new Error(
      `Line ${n + 1} has ${inputs.length} inputs and ${wanted.length} numbers wanted; the ` +
        `first line has ${first[0].length} and ${first[1].length}.`,
    );
  if (
    !squares &&
    !(wanted.length === 1 && Number.isInteger(wanted[0]) && wanted[0] >= 0 && wanted[0] < 10)
  )
    throw new Error(
      `Line ${n + 1}: with cross-entropy what is wanted is one class, a whole number from 0 to ` +
        "9. Choose squares for other numbers.",
    );
}

/* The source of a state. Squares and xor have one output, the number itself. */
export function sourceOf(state) {
  const squares = state.loss === "squares";
  if (state.data === "own") return parseOwn(state.own, squares);
  const source = sources[state.data]();
  return state.data === "xor" && squares ? { ...source, classes: ["xor"] } : source;
}
