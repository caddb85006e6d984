/* graph.js - the graph of a formula, and the steps through both passes: what the page of a formula
   shows and what the playground's first room shows.

   The data are those of ad__page_data: the trace, the boxes of the drawing with the nodes in each
   and the links between them, and the edges along which nothing is sent. A frame is what one press
   of a key shows: `values` are filled in, `changes` are [node, before, after]. Invariant: after
   `show` the drawing holds exactly what frames 0 to `at` did. */
import { cutText, esc, make, named, shorten, showInside } from "./page.js";
import { Player } from "./player.js";

/* ---- a pass that is wrong on purpose --------------------------------------------------------- */

/* What would be right at each node, and which contributions were faulty. */
function reviewOf(trace, pass, keyOf) {
  const right = new Map(pass.steps.map(s => [s.node, s.right])),
    size = new Map(),
    late = new Set();
  const sent = new Map(),
    left = new Map();
  for (const n of trace.nodes)
    if (n.op === "input" && keyOf(n) in pass.right) right.set(n.id, pass.right[keyOf(n)]);
  for (const s of pass.steps) {
    sent.set(s.node, s.upstream);
    for (const e of s.edges) {
      size.set(e.to, Math.max(size.get(e.to) || 0, Math.abs(e.contribution) || 0));
      if (e.fault === "late") late.add(e.to);
      if (e.fault === "left") left.set(e.to, e.before);
    }
  }
  return { right, size, late, sent, left, visitedAt: new Map() };
}

/* Different by more than rounding, relative to the largest contribution. */
function isWrongIn(review, id, x) {
  const a = Number(x),
    b = Number(review.right.get(id)),
    gap = Math.abs(a - b);
  return (
    !Object.is(a, b) &&
    !(gap <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), review.size.get(id) || 0) && gap < Infinity)
  );
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The number of paths from every node to the result, and the four with the largest products: found
   edge by edge, starting at the result, without enumerating paths, and in the order of the tape,
   whatever the order of the pass. */
export function pathsOf(pass, unsent, label) {
  const start = { product: 1, nodes: [pass.output], text: label(pass.output), factors: [] };
  const paths = new Map([[pass.output, { count: 1, best: [start] }]]);
  for (const step of [...pass.steps].sort((a, b) => b.node - a.node)) {
    const mine = paths.get(step.node);
    if (!mine) continue;
    for (const e of step.edges.length > 0 ? step.edges : unsent.get(step.node) || []) {
      const theirs = paths.get(e.to) || { count: 0, best: [] };
      theirs.count += mine.count;
      for (const p of mine.best)
        theirs.best.push({
          product: Number(e.local) * p.product,
          nodes: [e.to, ...p.nodes],
          text: label(e.to) + " → " + p.text,
          factors: [shorten(e.local), ...p.factors],
        });
      theirs.best.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
      theirs.best.length = Math.min(theirs.best.length, 4);
      paths.set(e.to, theirs);
    }
  }
  return paths;
}

export const countOfPaths = count =>
  count === 1 ? "one path" : (count < 1e15 ? count : count.toExponential(3)) + " paths";

/* ---- plain words ----------------------------------------------------------------------------- */

/* What the engine's own words for an operation mean ("mul swaps"). */
const PASSES_ON = {
  add: "a sum passes its gradient on as it is",
  sum: "a sum passes its gradient on as it is",
  sub: "a difference passes its gradient on as it is; to what is subtracted with the other sign",
  neg: "a minus passes its gradient on with the other sign",
  mul: "a product passes its gradient on times the other factor",
  relu: "above 0 relu passes its gradient on as it is, below 0 nothing",
};
const passesOn = op => PASSES_ON[op] || "its gradient goes on times its slope at this place";

const minus = x => String(x).replace("-", "−");
const listed = names =>
  names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " and " + names.at(-1);

/* ---- arrows ---------------------------------------------------------------------------------- */

/* So many arrows between two boxes are drawn one by one; more are one arrow. */
const MOST_TWINS = 3,
  TWINS_APART = 15;

/* Where an arrow begins, a second head, which shows the way of a gradient. */
function addBackTip(link) {
  const edge = link.querySelector(".edge"),
    begin = /^M(\S+) (\S+?)(?=[A-Z])/.exec(edge?.getAttribute("d") || "");
  if (!begin || link.querySelector(".back-tip")) return;
  const tip = edge.cloneNode();
  tip.setAttribute("class", "back-tip");
  tip.setAttribute("d", `M${begin[1]} ${begin[2]}l8 -4v8z`);
  link.append(tip);
}

/* x*x uses x twice: as many arrows as uses, side by side. Returns the arrows that were added. */
function addTwins(link, uses) {
  const all = [link];
  while (all.length < uses) {
    const twin = link.cloneNode(true);
    twin.removeAttribute("id");
    all.at(-1).after(twin);
    all.push(twin);
  }
  all.forEach((g, k) =>
    g.setAttribute("transform", `translate(0 ${(k - (uses - 1) / 2) * TWINS_APART})`),
  );
  return all.slice(1);
}

/* ---- the steps ------------------------------------------------------------------------------- */

export class GraphSteps {
  /* root gets the toolbar, what happens now, the drawing and the table of inputs. options:
       svg      an element that holds the drawing already, instead of a new one
       chosen   called with a node when its box is clicked
       rule     called with a step and an edge: elements that show the rule with the numbers put
                in, or null
       said     called with the words of each step */
  constructor(root, options = {}) {
    this.root = root;
    this.options = options;
    const bar = make("div", { class: "bar" });
    this.player = new Player(bar, (at, from) => this.show(at, from));
    this.badge = make("span", { class: "bug badge", hidden: true });
    this.select = make("select", { "aria-label": "which result" });
    this.which = make("label", { hidden: true }, "of ", this.select);
    bar.append(this.badge, this.which);
    this.select.addEventListener("change", () => this.choose(Number(this.select.value)));
    this.now = make("div", { ...named("now"), "aria-live": "polite" });
    this.view = options.svg || make("div", { class: "graph" });
    this.view.setAttribute("tabindex", "-1");
    const head = ["input", "value", "gradient so far", "right", "by differences"].map((text, k) =>
      make("th", { scope: "col", hidden: k > 2 }, text),
    );
    this.head = head;
    this.body = make("tbody", named("inputs"));
    this.table = make(
      "table",
      { "aria-label": "inputs" },
      make("thead", {}, make("tr", {}, ...head)),
      this.body,
    );
    this.pathsTip = make("div", { ...named("tip", "paths"), role: "tooltip", hidden: true });
    root.prepend(bar, this.now);
    if (!options.svg) root.append(this.view);
    root.append(this.table, this.pathsTip);
  }

  /* New data, and a drawing as the text of an svg element unless it stands there already. The
       place is kept where the
     steps are as many as before. */
  set(data, svg, place = 0) {
    if (svg !== undefined) this.view.innerHTML = svg;
    this.take(data);
    this.drawn = data.boxes;
    this.bug = this.trace.bug || "";
    this.boxOf = new Map();
    this.drawn.boxes.forEach((b, k) => b.nodes.forEach(id => this.boxOf.set(id, k)));
    this.linkOf = new Map(this.drawn.links.map((l, k) => [l[0] + ">" + l[1], k]));
    this.boxElement = this.drawn.boxes.map((b, k) => this.view.querySelector("#b" + k));
    this.linkElement = this.drawn.links.map((l, k) => this.view.querySelector("#e" + k));
    for (const element of [...this.boxElement, ...this.linkElement])
      // Another drawing has it.
      if (document.getElementById(element.id) !== element) element.removeAttribute("id");
    this.addArrows();
    this.parts = this.boxElement.map(g =>
      Object.fromEntries(
        ["what", "value", "grad", "right"].map(name => [name, g.querySelector("." + name)]),
      ),
    );
    this.localText = this.linkElement.map(g => g.querySelector(".local"));
    this.listen();
    this.fillTable();
    this.badge.hidden = !this.bug;
    this.badge.textContent = "bug: " + this.bug;
    this.head.slice(3).forEach(th => {
      th.hidden = !this.bug;
    });
    this.which.hidden = this.passes.length < 2;
    this.select.replaceChildren(
      ...this.passes.map((p, k) => make("option", { value: k }, this.label(p.output))),
    );
    this.choose(0, place);
  }

  /* Second arrows where a node uses another twice, and heads for the way back. `twins` has for a
       link the arrows of its second use, its third. */
  addArrows() {
    this.twins = new Map();
    for (const n of this.trace.nodes) {
      const k = this.boxOf.get(n.id);
      for (const from of new Set(n.args.filter(a => typeof a === "number"))) {
        const link = this.linkOf.get(this.boxOf.get(from) + ">" + k),
          uses = n.args.filter(a => a === from).length;
        if (link === undefined || uses < 2 || uses > MOST_TWINS || !this.plain(n.id, from))
          continue;
        const added = addTwins(this.linkElement[link], uses);
        this.twins.set(link, [link, ...added.map((_, i) => this.linkElement.length + i)]);
        this.linkElement.push(...added);
      }
    }
    this.linkElement.forEach(addBackTip);
  }
  plain(...ids) {
    return ids.every(id => this.single(id));
  }
  /* The arrow of an edge of a step: of several between the same nodes one each. */
  arrowOf(step, e) {
    const link = this.linkOf.get(this.boxOf.get(e.to) + ">" + this.boxOf.get(step.node)),
      same = step.edges.filter(other => other.to === e.to).indexOf(e);
    return this.twins.get(link)?.[same] ?? link;
  }

  /* The same graph at other values: only numbers change, no element. False if it is another
     graph. */
  update(data) {
    const same =
      this.trace &&
      data.trace.nodes.length === this.trace.nodes.length &&
      (data.trace.bug || "") === this.bug &&
      JSON.stringify(data.boxes) === JSON.stringify(this.drawn) &&
      data.trace.nodes.every(
        (n, k) => n.op === this.trace.nodes[k].op && n.name === this.trace.nodes[k].name,
      );
    if (!same) return false;
    const at = this.player.at,
      length = this.player.length;
    this.take(data);
    const pass = Number(this.select.value) || 0;
    this.prepare(pass);
    if (this.frames.length !== length) {
      this.choose(pass, at);
      return true;
    }
    this.player.length = this.frames.length;
    this.rewind();
    while (this.at < at) this.forward(this.frames[++this.at]);
    this.trace.nodes.forEach(n => this.paintNode(n.id));
    this.paintLocals();
    this.tell(this.frames[at], false);
    return true;
  }

  /* What follows from the data alone, whatever is drawn. */
  take(data) {
    this.trace = data.trace;
    this.unsent = new Map();
    for (const [node, to, local] of data.unsent)
      this.unsent.set(node, [...(this.unsent.get(node) || []), { to, local }]);
    this.passes = [this.trace, ...(this.trace.more || [])];
    this.nodes = new Map(this.trace.nodes.map(n => [n.id, n]));
    this.inputs = this.trace.nodes.filter(n => n.op === "input").slice(0, 200);
  }

  /* As before the first frame. */
  rewind() {
    this.at = 0;
    this.shown = new Set();
    this.grads = new Map();
    this.known = new Set();
  }

  label(id) {
    return this.nodes.get(id).name || "#" + id;
  }
  single(id) {
    return this.drawn.boxes[this.boxOf.get(id)].nodes.length === 1;
  }
  keyOf(n) {
    return "#" + n.id in this.pass.result ? "#" + n.id : n.name;
  }
  bugLine(text) {
    return this.bug ? `<div class="bug"><b>bug: ${this.bug}</b> &ndash; ${text}</div>` : "";
  }
  isWrong(id, x) {
    return isWrongIn(this.review, id, x);
  }

  fillTable() {
    this.body.replaceChildren(
      ...this.inputs.map(n =>
        make(
          "tr",
          {},
          make("td", {}, this.label(n.id)),
          ...Array.from({ length: this.bug ? 4 : 2 }, () => make("td")),
        ),
      ),
    );
    this.rows = new Map(this.inputs.map((n, i) => [n.id, this.body.rows[i]]));
    this.table.hidden = this.inputs.length === 0;
  }

  /* The label of a box begins with the words that are seen in it, and these with spaces between
     them. */
  listen() {
    this.boxElement.forEach((g, k) => {
      for (const part of Object.values(this.parts[k])) part?.before(" ");
      for (const event of ["mouseenter", "focus"]) g.addEventListener(event, () => this.tip(k));
      for (const event of ["mouseleave", "blur"])
        g.addEventListener(event, () => {
          this.pathsTip.hidden = true;
        });
      if (!this.options.chosen) return;
      g.setAttribute("role", "button");
      const choose = () => {
        const b = this.drawn.boxes[k];
        if (b.nodes.length === 1) this.options.chosen(b.nodes[0]);
      };
      g.addEventListener("click", choose);
      g.addEventListener("keydown", e => {
        if (e.key === "Enter" || e.key === " ") {
          e.preventDefault();
          e.stopPropagation();
          choose();
        }
      });
    });
  }

  /* ---- words ------------------------------------------------------------------------------- */

  arrivedWrong(step) {
    const name = `<code>${esc(this.label(step.node))}</code>`,
      what = shorten(step.upstream);
    const right = shorten(this.review.right.get(step.node));
    if (!this.isWrong(step.node, step.upstream)) return "";
    return this.review.late.has(step.node)
      ? `${name} passes on ${what} before all its users were visited: complete, it would be <b ` +
          `class="yes">${right}</b>`
      : `what arrived at ${name}, ${what}, is already wrong: it should be <b ` +
          `class="yes">${right}</b>`;
  }

  faultOf(step, e) {
    const name = `<code>${esc(this.label(e.to))}</code>`,
      before = shorten(e.before);
    const own =
      e.fault === "lost"
        ? `<b>the ${before} that stood here is lost</b>: it must be added, not overwritten`
        : e.fault === "late"
          ? `<b>too late</b>: ${name} was visited before, and has passed ` +
            `on ${shorten(this.review.sent.get(e.to))} only`
          : e.fault === "left"
            ? `<b>the ${before} that stood here is left from an earlier pass</b>: it should ` +
              "have been set to zero"
            : "";
    const all = [own, this.arrivedWrong(step)].filter(t => t).join("; ");
    return this.bugLine(
      all
        ? all + "."
        : this.bug === "no-accumulate"
          ? "<code>=</code> in place of <code>+=</code>; nothing stood here, so nothing is " +
            "lost this time."
          : "no harm in this step.",
    );
  }

  faultsOf(edges) {
    const words = {
      lost: "overwrote what stood there",
      late: "came too late",
      left: "fell on what an earlier pass had left",
    };
    const said = Object.keys(words)
      .map(f => [edges.filter(e => e.fault === f).length, words[f]])
      .filter(([n]) => n > 0);
    return this.bugLine(
      said.length
        ? said.map(([n, w]) => `${n} contribution${n > 1 ? "s" : ""} ${w}`).join(", ") + "."
        : this.trace.does + ".",
    );
  }

  /* ---- frames ------------------------------------------------------------------------------ */

  forwardFrame(n, k) {
    const box = this.drawn.boxes[k],
      from = new Set();
    box.nodes.forEach(id =>
      this.nodes.get(id).args.forEach(a => {
        if (typeof a === "number" && this.boxOf.get(a) !== k) from.add(this.boxOf.get(a));
      }),
    );
    const html = () =>
      box.nodes.length > 1
        ? `forward: <code>${esc(box.label)}</code> are computed`
        : n.op === "input"
          ? `forward: the input <code>${esc(this.label(n.id))} = ${shorten(n.value)}</code>`
          : `forward: <code>${n.name ? esc(n.name) : "#" + n.id} = ${esc(n.shown)} = ` +
            (n.numbers === "" ? "" : esc(n.numbers) + " = ") +
            `${shorten(n.value)}</code>` +
            (n === this.unnamed
              ? `<p class="soft">A box without a name is called by its number: #${n.id}.</p>`
              : "");
    return {
      kind: "forward",
      html,
      values: box.nodes,
      changes: [],
      boxes: [k],
      links: [...from].flatMap(f => {
        const link = this.linkOf.get(f + ">" + k);
        return this.twins.get(link) ?? [link];
      }),
    };
  }

  seedFrame() {
    const y = this.pass.output,
      left = this.bug ? [...this.review.left].map(([id, before]) => [id, undefined, before]) : [];
    return {
      kind: "back",
      html: () =>
        `backward: the seed, <code>d ${esc(this.label(y))} / d ${esc(this.label(y))} = 1</code>` +
        `<p class="soft">The gradient of ${esc(this.label(y))} itself, with which all begins: ` +
        "if it changes by 1, it changes by 1.</p>" +
        this.bugLine(this.trace.does + (left.length > 0 ? ": they are still here." : ".")),
      values: [],
      changes: [...left, [y, undefined, 1]],
      boxes: [this.boxOf.get(y)],
      links: [],
    };
  }

  edgeFrame(step, e, head) {
    const k = this.boxOf.get(step.node),
      assigns = this.bug === "no-accumulate" ? "=" : "+=";
    return {
      kind: "back",
      values: [],
      changes: [[e.to, e.before, e.after]],
      visited: [step.node],
      boxes: [k, this.boxOf.get(e.to)],
      links: [this.arrowOf(step, e)],
      step,
      edge: e,
      html: () =>
        head() +
        `<code>${esc(this.label(e.to))} ${assigns} upstream * local = ` +
        `${shorten(step.upstream)} * ${shorten(e.local)} = ${shorten(e.contribution)}</code>` +
        ` &nbsp;(${shorten(e.before)} &rarr; ${shorten(e.after)})` +
        (Number(e.before) !== 0 && !e.fault ? " &nbsp;<b>fork: gradients add</b>" : "") +
        `<p class="soft">${this.plainly(step, e)}</p>` +
        (this.bug ? this.faultOf(step, e) : ""),
    };
  }

  /* A step in plain words; where gradients add, why. */
  plainly(step, e) {
    const [from, to, y] = [step.node, e.to, this.pass.output].map(id => esc(this.label(id)));
    if (Number(e.before) !== 0) return this.whyAdded(from, to, y, e.to);
    return (
      `upstream: the gradient of ${from}, how much ${y} changes for each small change of ` +
      `${from}. local: how much ${from} changes for each small change of ${to} alone.`
    );
  }
  whyAdded(from, to, y, id) {
    const users = this.trace.nodes.filter(n => n.args.includes(id) && this.leads(n.id)),
      uses = n => n.args.filter(a => a === id).length,
      often = n => (uses(n) > 2 ? ` (${uses(n)} times)` : uses(n) > 1 ? " (twice)" : ""),
      names = users
        .filter(n => n.id !== this.pass.output)
        .map(n => esc(this.label(n.id)) + often(n));
    if (users.length < 2) return `${to} moves ${from} more than once: the changes add.`;
    if (names.length < users.length)
      return `${to} moves ${y} at once, and again through ${listed(names)}: the changes add.`;
    const both = names.length === 2 ? "both " : "";
    return `${to} moves ${both}${listed(names)}, and ${both || "all "}move ${y}: the changes add.`;
  }
  leads(id) {
    return id === this.pass.output || this.pass.steps.some(s => s.node === id);
  }

  /* The frames of one visit: one for each edge. Visits inside a folded box are one frame
     together. */
  visitFrames(step, frames) {
    const n = this.nodes.get(step.node),
      k = this.boxOf.get(n.id);
    if (this.drawn.boxes[k].nodes.length > 1) return this.foldedFrame(step, k, frames);
    const head = () =>
      `backward: <code>${esc(this.label(n.id))}${n.shown ? " = " + esc(n.shown) : ""}` +
      `</code>, ${esc(n.words)} <span class="soft">(${passesOn(n.op)})</span><br>`;
    if (step.edges.length === 0)
      frames.push({
        kind: "back",
        values: [],
        changes: [],
        visited: [step.node],
        boxes: [k],
        links: [],
        html: () =>
          head() +
          (Number(step.upstream) === 0
            ? "nothing arrives, nothing is sent"
            : "nothing is sent on") +
          (this.bug ? this.bugLine((this.arrivedWrong(step) || "no harm in this step") + ".") : ""),
      });
    for (const e of step.edges) frames.push(this.edgeFrame(step, e, head));
    return null;
  }

  foldedFrame(step, k, frames) {
    let open = frames[frames.length - 1];
    if (!open.edges || open.boxes[0] !== k)
      frames.push(
        (open = {
          kind: "back",
          values: [],
          changes: [],
          edges: [],
          visited: [],
          boxes: [k],
          links: [],
          html: () => `backward: through <code>${esc(this.drawn.boxes[k].label)}</code>`,
        }),
      );
    open.visited.push(step.node);
    for (const e of step.edges) {
      open.changes.push([e.to, e.before, e.after]);
      open.edges.push(e);
      const link = this.linkOf.get(this.boxOf.get(e.to) + ">" + k);
      if (link !== undefined && !open.links.includes(link)) open.links.push(link);
    }
  }

  makeFrames() {
    const frames = [
      {
        kind: "",
        values: [],
        changes: [],
        boxes: [],
        links: [],
        html: () =>
          `<p>The <b>gradient</b> of a box: how much ${esc(this.label(this.pass.output))} ` +
          "changes for each small change of that box. Backpropagation finds them all in one " +
          "pass.</p>" +
          "<p>Press ▶ or <kbd>&rarr;</kbd>: first the values, forward, from left to right; then " +
          "the gradients, backward, from right to left.</p>" +
          this.bugLine(this.trace.does + "."),
      },
    ];
    const seen = new Set();
    this.unnamed = this.trace.nodes.find(n => n.op !== "input" && !n.name && this.single(n.id));
    for (const n of this.trace.nodes) {
      const k = this.boxOf.get(n.id);
      if (!seen.has(k)) frames.push(this.forwardFrame(n, k));
      seen.add(k);
    }
    this.phases = [
      { name: "forward", at: 1 },
      { name: "backward", at: frames.length },
    ];
    frames.push(this.seedFrame());
    for (const step of this.pass.steps) this.visitFrames(step, frames);
    this.phases.push({ name: "result", at: frames.length - 1 });
    if (this.bug)
      frames.forEach((f, k) => {
        if (f.edges) f.faults = () => this.faultsOf(f.edges);
        (f.visited || []).forEach(id => {
          if (!this.review.visitedAt.has(id)) this.review.visitedAt.set(id, k);
        });
      });
    return frames;
  }

  /* ---- painting ---------------------------------------------------------------------------- */

  /* Is the gradient wrong, and final or already passed on? Then the right one is shown beside
     it. */
  wrongAt(id) {
    if (!this.bug || !this.grads.has(id) || !this.review.right.has(id)) return false;
    return (
      (this.at === this.frames.length - 1 || this.review.visitedAt.get(id) <= this.at) &&
      this.isWrong(id, this.grads.get(id))
    );
  }

  paintNode(id) {
    const wrong = this.wrongAt(id),
      right = this.bug ? shorten(this.review.right.get(id)) : "";
    const value = this.shown.has(id) ? shorten(this.nodes.get(id).value) : "";
    const grad = this.grads.has(id) ? shorten(this.grads.get(id)) : "";
    if (this.single(id)) {
      const k = this.boxOf.get(id),
        g = this.boxElement[k],
        part = this.parts[k];
      part.value.textContent = value;
      part.grad.textContent = grad === "" ? "" : "grad " + grad;
      if (this.bug) {
        g.classList.toggle("wrong", wrong);
        part.right.textContent = wrong ? "right " + right : "";
      }
      g.setAttribute(
        "aria-label",
        [
          part.what.textContent,
          value,
          part.grad.textContent,
          wrong ? `right ${right}: what stands there is wrong` : "",
        ]
          .filter(t => t !== "")
          .join(", "),
      );
    }
    const row = this.rows.get(id);
    if (!row) return;
    row.cells[1].textContent = value;
    row.cells[2].textContent = grad;
    if (!this.bug || !this.review.right.has(id)) return;
    const n = this.nodes.get(id),
      last = this.at === this.frames.length - 1;
    row.cells[2].innerHTML =
      grad === ""
        ? ""
        : wrong
          ? `<span class="no">${grad} ✗</span>`
          : last && this.isKnown(n)
            ? `<span class="yes">${grad} ✓</span>`
            : grad;
    row.cells[3].textContent = right;
    row.cells[4].textContent = this.said(n);
  }

  /* A local derivative stands at its arrow from the step on that used it, as the factor by which
     a gradient goes on; at one arrow for several edges, their sum. */
  paintLocals() {
    const sums = new Map();
    for (const f of this.frames)
      if (f.edge) sums.set(f.links[0], (sums.get(f.links[0]) || 0) + Number(f.edge.local));
    this.linkElement.forEach((g, k) => {
      g.classList.toggle("known", this.known.has(k));
      if (this.localText[k] && sums.has(k))
        this.localText[k].textContent = "×" + minus(Number(sums.get(k).toPrecision(4)));
    });
  }

  /* True unless differences contradict the pass without the bug, or could not be formed. */
  isKnown(n) {
    return (
      this.pass.differences === undefined ||
      (!(this.pass.right_disagrees || []).includes(this.keyOf(n)) && this.said(n) !== "nothing")
    );
  }
  said(n) {
    const all = this.pass.differences;
    return all === undefined
      ? "not computed"
      : Number.isNaN(Number(all[this.keyOf(n)]))
        ? "nothing"
        : shorten(all[this.keyOf(n)]);
  }

  /* The gradients of the inputs are what differences say. */
  agrees() {
    return (
      (this.pass.disagree || []).length === 0 &&
      !this.inputs.some(n => this.bug && this.isWrong(n.id, this.pass.result[this.keyOf(n)]))
    );
  }

  /* A gradient of the pass is wrong by the bug on purpose. */
  hurts() {
    return this.bug !== "" && this.trace.nodes.some(n => this.isWrong(n.id, this.reached(n.id)));
  }

  ending() {
    const pass = this.pass,
      d = name => `d ${esc(this.label(pass.output))} / d ${esc(name)}`;
    const check =
      pass.check === undefined
        ? ""
        : `<div class="${this.agrees() ? "agrees" : "bug"}"><b>check</b>: ${esc(pass.check)}</div>`;
    const all = Object.entries(pass.result),
      more = all.length > 12 ? `... and ${all.length - 12} more` : "";
    const refuted = new Set(pass.disagree || []);
    if (!this.bug)
      return (
        `<p><b>done</b>: ${all
          .slice(0, 12)
          .map(
            ([name, g]) =>
              `<code>${d(name)} = ${shorten(g)}</code>` +
              (refuted.has(name)
                ? ` <b class="no">✗</b> differences say ${shorten(pass.differences[name])}`
                : ""),
          )
          .join(", ")}${more && ", " + more}</p>` + check
      );
    const lines = this.inputs
      .filter(n => this.review.right.has(n.id))
      .slice(0, 12)
      .map(n => {
        const is = pass.result[this.keyOf(n)],
          right = shorten(pass.right[this.keyOf(n)]),
          wrong = this.isWrong(n.id, is);
        const words = wrong
          ? `<b class="no">✗ wrong</b>, ${this.isKnown(n) ? "right" : "without the bug it"} is ` +
            `<b class="yes">${right}</b>`
          : this.isKnown(n)
            ? `<b class="yes">✓ right</b>`
            : "as without the bug";
        return (
          `<li><code>${d(this.keyOf(n))} = ${shorten(is)}</code> ${words}` +
          (pass.differences === undefined ? "</li>" : `; differences say ${this.said(n)}</li>`)
        );
      });
    return (
      `<b>done</b>, with the bug ${this.bug}:<ul>${lines.join("")}${more && `<li>${more}</li>`}` +
      "</ul>" +
      check
    );
  }

  /* ---- moving ------------------------------------------------------------------------------ */

  forward(f) {
    f.values.forEach(id => this.shown.add(id));
    f.changes.forEach(([id, , after]) => this.grads.set(id, after));
    if (f.kind === "back") f.links.forEach(k => this.known.add(k));
  }
  /* Puts a gradient back to what it was: to none, if this change was the first. */
  undo(f) {
    f.values.forEach(id => this.shown.delete(id));
    [...f.changes].reverse().forEach(([id, before]) => {
      if (this.first.get(id) === f || before === undefined) this.grads.delete(id);
      else this.grads.set(id, before);
    });
    if (f.kind === "back")
      f.links.forEach(k => {
        if (this.firstLink.get(k) === f) this.known.delete(k);
      });
  }

  light(f, on) {
    const kind = f.kind || "forward";
    for (const k of f.boxes)
      (this.boxElement[k].classList.toggle("lit", on),
        this.boxElement[k].classList.toggle(kind, on));
    for (const k of f.links)
      (this.linkElement[k].classList.toggle("lit", on),
        this.linkElement[k].classList.toggle(kind, on));
    f.changes.forEach(([id]) => {
      if (this.rows.has(id)) this.rows.get(id).cells[2].classList.toggle("changed", on);
    });
  }

  show(to) {
    const frames = this.frames,
      touched = new Set(),
      from = this.at;
    const touch = f =>
      [...f.values, ...f.changes.map(c => c[0]), ...(f.visited || [])].forEach(id =>
        touched.add(id),
      );
    this.light(frames[this.at], false);
    while (this.at < to) {
      this.at++;
      this.forward(frames[this.at]);
      touch(frames[this.at]);
    }
    while (this.at > to) {
      this.undo(frames[this.at]);
      touch(frames[this.at]);
      this.at--;
    }
    if (this.bug && (from === frames.length - 1) !== (to === frames.length - 1))
      this.trace.nodes.forEach(n => touched.add(n.id));
    touched.forEach(id => this.paintNode(id));
    const moved = frames.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const f of moved)
      for (const k of f.links) this.linkElement[k].classList.toggle("known", this.known.has(k));
    this.light(frames[to], true);
    this.tell(frames[to], from !== to);
  }

  tell(f, scroll) {
    this.now.className = "now " + f.kind;
    this.now.innerHTML =
      f.html() +
      (f.faults ? f.faults() : "") +
      (this.at === this.frames.length - 1 ? this.ending() : "");
    const rule = f.edge && this.options.rule?.(f.step, f.edge, this);
    if (rule) this.now.append(rule);
    this.now.classList.toggle("ruled", Boolean(rule));
    if (this.bug)
      this.player.slider.setAttribute(
        "aria-valuetext",
        this.player.slider.getAttribute("aria-valuetext") + ", with the bug " + this.bug,
      );
    this.options.said?.(this.now.textContent, this.at);
    if (scroll && f.boxes.length > 0) this.inView(this.boxElement[f.boxes[f.boxes.length - 1]]);
  }

  /* Inside the drawing, and on a phone the drawing inside the window. */
  inView(element) {
    showInside(this.view, element);
    element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  prepare(k) {
    this.pass = this.passes[k];
    this.review = this.bug ? reviewOf(this.trace, this.pass, n => this.keyOf(n)) : null;
    this.paths = null;
    this.frames = this.makeFrames();
    this.first = new Map();
    this.firstLink = new Map();
    this.frames.forEach(f => {
      f.changes.forEach(([id]) => {
        if (!this.first.has(id)) this.first.set(id, f);
      });
      if (f.kind === "back")
        f.links.forEach(l => {
          if (!this.firstLink.has(l)) this.firstLink.set(l, f);
        });
    });
  }

  choose(k, place = 0) {
    if (this.frames && this.frames[this.at]?.boxes.every(b => b < this.boxElement.length))
      this.light(this.frames[this.at], false);
    this.prepare(k);
    this.rewind();
    this.trace.nodes.forEach(n => this.paintNode(n.id));
    this.paintLocals();
    this.player.reset(this.frames.length, this.phases, place);
  }

  key(event) {
    if (event.key === "Escape") this.pathsTip.hidden = true;
    return this.player.key(event);
  }

  /* ---- what stands at a box ---------------------------------------------------------------- */

  allPaths() {
    return (this.paths ??= pathsOf(this.pass, this.unsent, id => this.label(id)));
  }
  /* The gradient a node ends with; with a bug, and what would be right. */
  reached(id) {
    let sum = id === this.pass.output ? 1 : 0;
    for (const step of this.pass.steps) for (const e of step.edges) if (e.to === id) sum = e.after;
    return sum;
  }
  total(id) {
    return this.bug && this.review.right.has(id) ? this.review.right.get(id) : this.reached(id);
  }

  tipText(k) {
    const b = this.drawn.boxes[k];
    if (b.nodes.length > 1) return `<b>${esc(b.label)}</b>`;
    const id = b.nodes[0],
      p = this.allPaths().get(id),
      y = esc(this.label(this.pass.output));
    if (!p) return `<b>${esc(this.label(id))}</b>: no path leads to ${y}`;
    return (
      `<b>${esc(this.label(id))}</b>: ${countOfPaths(p.count)} to ${y}` +
      p.best
        .map(
          w =>
            `<br>${esc(cutText(w.text, 60, 50))}: ` +
            `${esc(cutText(w.factors.join(" * ") || "1", 60, 50))} = ${shorten(w.product)}`,
        )
        .join("") +
      (p.count > p.best.length ? "<br>…" : "") +
      `<br><b>sum = ${shorten(this.total(id))}</b>` +
      (this.bug && this.isWrong(id, this.reached(id))
        ? `<div class="bug"><b>bug: ${this.bug}</b> &ndash; it ends ` +
          `with ${shorten(this.reached(id))}</div>`
        : "")
    );
  }

  tip(k) {
    const t = this.pathsTip,
      at = this.boxElement[k].getBoundingClientRect();
    t.innerHTML = this.tipText(k);
    t.hidden = false;
    t.style.left = Math.max(4, Math.min(at.left, innerWidth - t.offsetWidth - 4)) + "px";
    t.style.top =
      (at.bottom + t.offsetHeight + 8 < innerHeight
        ? at.bottom + 6
        : Math.max(4, at.top - t.offsetHeight - 6)) + "px";
  }
}
