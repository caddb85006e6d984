/* save.js - files that the page gives: pictures, data, programs, copies of itself. */

export function download(name, type, content) {
  const url = URL.createObjectURL(
    content instanceof Blob ? content : new Blob([content], { type }),
  );
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const STYLED = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "paint-order",
  "display",
];

const SVG = "http://www.w3.org/2000/svg";
function svgElement(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
const paperColour = () => getComputedStyle(document.body).backgroundColor;
const sizeOf = svg => [
  svg.viewBox.baseVal.width || svg.clientWidth,
  svg.viewBox.baseVal.height || svg.clientHeight,
];

/* The lines of a picture alone: every element has the style that it has in the page. */
function linesOf(svg, scale) {
  const copy = svg.cloneNode(true),
    from = svg.querySelectorAll("*"),
    [width, height] = sizeOf(svg);
  [...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(from[i]);
    for (const name of STYLED) element.setAttribute(name, style.getPropertyValue(name));
  });
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", width * scale);
  copy.setAttribute("height", height * scale);
  return copy;
}

/* A picture that stands alone. scale: its size for a unit of the drawing; below: a canvas that the
   lines are drawn over. */
export function svgText(svg, { scale = 1, below = null } = {}) {
  const copy = linesOf(svg, scale),
    { x, y } = svg.viewBox.baseVal,
    [width, height] = sizeOf(svg),
    all = { x, y, width, height };
  if (below)
    copy.prepend(
      svgElement("image", { ...all, href: below.toDataURL(), preserveAspectRatio: "none" }),
    );
  copy.prepend(svgElement("rect", { ...all, fill: paperColour() }));
  return new XMLSerializer().serializeToString(copy);
}

/* The same as a PNG of twice the size. What is below is painted here: not every browser draws an
   image inside an image. */
export async function pngOf(svg, { scale = 1, below = null } = {}) {
  const image = new Image(),
    canvas = document.createElement("canvas"),
    context = canvas.getContext("2d");
  const text = new XMLSerializer().serializeToString(linesOf(svg, scale));
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  await image.decode();
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  context.fillStyle = paperColour();
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const layer of below ? [below, image] : [image])
    context.drawImage(layer, 0, 0, canvas.width, canvas.height);
  return new Promise((good, bad) =>
    canvas.toBlob(
      blob => (blob ? good(blob) : bad(new Error("The picture is too large for this browser."))),
      "image/png",
    ),
  );
}
