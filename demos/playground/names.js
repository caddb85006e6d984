/* names.js - which names of a formula are free, so that each becomes an input with a slider.

   As the parser of formulas reads them: a name begins with a letter or _, is not followed by "("
   (then it is a function), is not pi, and is free where no part before it was given that name by
   "name = ...;". */

const TOKEN =
  /\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|[A-Za-z_][A-Za-z0-9_]*|==|<=|>=|!=|[^\s]/g;
const isName = token => /^[A-Za-z_]/.test(token);

export function freeNames(text) {
  const free = [],
    bound = new Set(["pi"]);
  for (const part of text.split(";")) {
    const tokens = part.match(TOKEN) || [];
    const defines = tokens.length > 1 && isName(tokens[0]) && tokens[1] === "=" ? tokens[0] : null;
    for (let k = defines ? 2 : 0; k < tokens.length; k++)
      if (
        isName(tokens[k]) &&
        tokens[k + 1] !== "(" &&
        !bound.has(tokens[k]) &&
        !free.includes(tokens[k])
      )
        free.push(tokens[k]);
    if (defines) bound.add(defines);
  }
  return free;
}
