/* examples_data.js - what the second room's network learns from: flowers, digits, the truth table of xor, own numbers.

   A set has `inputs` and `outputs` (names), `rows` of { name, input, target }, target a class number or, for the squares
   of own numbers, the outputs; `image` is the side of a picture, or 0. */
import irisText from "../data/iris.csv";
import { digits } from "digits";

const COLUMNS = [2, 3, 0, 1];       /* of the file: petals say most */
const SPECIES = ["setosa", "versicolor", "virginica"];

/* Standardised over all flowers: minus the mean of its column, divided by the standard deviation. */
function flowers() {
  const table = irisText.trim().split("\n").map(line => line.split(",").map(Number));
  const moments = COLUMNS.map(c => {
    const mean = table.reduce((s, row) => s + row[c], 0)/table.length;
    return [mean, Math.sqrt(table.reduce((s, row) => s + (row[c] - mean)**2, 0)/table.length)];
  });
  return table.map((row, k) => ({ name: `flower ${k}: ${SPECIES[row[4]]}`, target: row[4],
    input: COLUMNS.map((c, i) => Number(((row[c] - moments[i][0])/moments[i][1]).toFixed(4))) }));
}

const all = flowers();
export const sets = {
  iris: { title: "an iris", says: "Fisher's irises, four measurements each. They are standardised: the mean of all flowers is subtracted and the result divided by the standard deviation, so that 0 is an average flower and 1 is large.",
    inputs: ["petal length", "petal width", "sepal length", "sepal width"], outputs: SPECIES, hidden: [4, 4], image: 0,
    rows: [10, 60, 110, 23, 77, 133].map(k => all[k]) },
  digit: { title: "a handwritten digit", says: "A picture of 8 x 8 pixels, each from 0 (paper) to 1 (ink).", hidden: [6], image: 8,
    inputs: Array.from({ length: 64 }, (_, i) => `pixel ${Math.floor(i/8) + 1},${i%8 + 1}`), outputs: Array.from({ length: 10 }, (_, k) => String(k)),
    rows: digits.map(d => ({ name: `a ${d.target}`, target: d.target, input: d.input })) },
  xor: { title: "xor", says: "1 if exactly one input is 1. One layer cannot do it; two can.", inputs: ["p", "q"], outputs: ["0", "1"], hidden: [3], image: 0,
    rows: [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]].map(([p, q, c]) => ({ name: `${p} xor ${q} = ${c}`, input: [p, q], target: c })) },
  own: { title: "your own numbers", says: "Inputs, then what each output should be; the loss is the sum of the squares.", hidden: [2], image: 0 },
};
