/* page.js - what every page uses: elements, escaped text, numbers. */

export const $ = id => document.getElementById(id);

/* Text inside markup: nothing in it is markup. */
export const esc = s => String(s).replace(/[&<>"']/g, c => "&#" + c.charCodeAt(0) + ";");

/* Six digits. Numbers that JSON does not have come as text: "NaN", "Infinity", "-Infinity". */
export function shorten(x) {
  x = Number(x);
  return Number.isFinite(x) ? String(Number(x.toPrecision(6))) : String(x);
}

/* The beginning and the end of a text that is too long, by characters. */
export function cutText(s, head, tail) {
  const c = [...s];
  return c.length > head + tail + 3
    ? c.slice(0, head).join("") + " … " + c.slice(-tail).join("")
    : s;
}

/* An element of HTML with attributes, properties that begin with a dot, and children: texts or
   elements. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(".")) element[name.slice(1)] = value;
    else if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/* An element of MathML. */
export function math(tag, ...children) {
  const element = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
  element.append(...children);
  return element;
}

/* The attributes of an element that is found by this name: a class, and an id where no other
   element has it. */
export const named = (name, more = "") => ({
  class: (name + " " + more).trim(),
  ...(document.getElementById(name) ? {} : { id: name }),
});

export const lessMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/* Scrolls `frame`, never the page, until `element` is in view. */
export function showInside(frame, element) {
  const inside = element.getBoundingClientRect(),
    around = frame.getBoundingClientRect();
  if (inside.left < around.left || inside.right > around.right)
    frame.scrollLeft += (inside.left + inside.right - around.left - around.right) / 2;
  if (inside.top < around.top || inside.bottom > around.bottom)
    frame.scrollTop += (inside.top + inside.bottom - around.top - around.bottom) / 2;
}
