/* table_text.js - a table of numbers out of pasted text: CSV, or columns with spaces, tabs or
   semicolons between.

   The first two columns are the inputs, the last is the class (whole numbers from 0) or the
   target. Inputs are standardised: the mean is subtracted and the result divided by the standard
   deviation. Throws an Error with a sentence that names the line. */

const MOST_ROWS = 5000,
  MOST_CLASSES = 6,
  LEAST = 6;

function cellsOf(line) {
  const separator = line.includes(";")
    ? ";"
    : line.includes("\t")
      ? "\t"
      : line.includes(",")
        ? ","
        : /\s+/;
  return line
    .trim()
    .split(separator)
    .map(cell => cell.trim().replace(/^"(.*)"$/, "$1"));
}
const isNumber = cell => cell !== "" && Number.isFinite(Number(cell));

function standardised(column) {
  const mean = column.reduce((s, x) => s + x, 0) / column.length;
  const deviation = Math.sqrt(column.reduce((s, x) => s + (x - mean) ** 2, 0) / column.length);
  return column.map(x => Number(((x - mean) / (deviation || 1)).toPrecision(6)));
}

/* { values: x, y, target of each row one after the other; classes: how many, or 0; said: what was
   done, in words } */
export function tableFrom(text) {
  const lines = text.split(/\r\n|\n|\r/),
    rows = [];
  let header = false,
    width = 0,
    left = 0;
  lines.forEach((line, k) => {
    if (line.trim() === "") return;
    if (rows.length >= MOST_ROWS) {
      left++;
      return;
    }
    const cells = cellsOf(line);
    if (!cells.every(isNumber)) {
      if (rows.length === 0 && !header) {
        header = true;
        return;
      }
      const bad = cells.find(cell => !isNumber(cell));
      throw new Error(
        `Line ${k + 1} holds "${bad.slice(0, 40)}" where a number belongs. Words cannot be ` +
          "learned from: give each class a number, from 0.",
      );
    }
    if (width === 0) width = cells.length;
    if (cells.length < 3)
      throw new Error(
        `Line ${k + 1} has ${cells.length === 1 ? "one column" : "two columns"}; at least ` +
          "three are needed: two inputs and a class or a target.",
      );
    if (cells.length !== width)
      throw new Error(`Line ${k + 1} has ${cells.length} columns, the lines before it ${width}.`);
    rows.push(cells.map(Number));
  });
  if (rows.length < LEAST)
    throw new Error(`These are ${rows.length} rows of numbers; at least ${LEAST} are needed.`);
  const targets = rows.map(row => row[width - 1]),
    classes = classesOf(targets);
  const x = standardised(rows.map(row => row[0])),
    y = standardised(rows.map(row => row[1])),
    t = classes > 0 ? targets : standardised(targets);
  return {
    values: rows.flatMap((_, k) => [x[k], y[k], t[k]]),
    classes,
    said:
      `${rows.length} rows` +
      (left > 0 ? ` (the first; ${left} more were left out)` : "") +
      (header ? ", without the first line, which has words" : "") +
      `; the first two columns${width > 3 ? ` of ${width - 1}` : ""} are the inputs, ` +
      "standardised; " +
      (classes > 0
        ? `the last is one of ${classes} classes.`
        : "the last is a number to predict, standardised."),
  };
}

function classesOf(targets) {
  const most = Math.max(...targets);
  return targets.every(t => Number.isInteger(t) && t >= 0) && most < MOST_CLASSES && most >= 1
    ? most + 1
    : 0;
}
