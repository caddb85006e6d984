/* network.js - the room "A network learns": a lesson of backpropagation whose every number can be
   changed.

   The engine computes each lesson from the whole request; nothing is kept there. Invariant:
   `state` is one that the engine could answer, `answer` is the lesson for it,
     and what is shown is made from both. A change that leads to a
   bad request ends in a sentence, and the state, the answer and the controls are as before. */
import { drag } from "d3-drag";
import { select, selectAll } from "d3-selection";
import { make } from "../../engine/explain/page.js";
import { Lesson } from "../../nn/lesson.js";
import { num } from "../../nn/lesson_data.js";
import { LossCurve } from "./network_curve.js";
import { programOf } from "./network_program.js";
import {
  activations,
  checkedState,
  lessonOf,
  losses,
  MOST_LAYERS,
  MOST_STEPS,
  MOST_UNITS,
  paramsOf,
  partOf,
  requestOf,
  slotOf,
  sourceNames,
} from "./network_state.js";
import { svgText, pngOf } from "./save.js";

const PIXELS_PER_ONE = 80; /* of a drag upwards that adds 1 */

const choice = (label, names, change) => {
  const element = make(
    "select",
    {},
    ...Object.entries(names).map(([value, text]) => make("option", { value }, text)),
  );
  element.addEventListener("change", () => change(element.value));
  return { element, label: make("label", {}, label + " ", element) };
};
const press = (text, does, attributes = {}) => {
  const b = make("button", { type: "button", ...attributes }, text);
  b.addEventListener("click", does);
  return b;
};
/* A key of the picture as one of a number that can be changed: a unit's is its bias. */
const changeable = at => (at.startsWith("u:") ? "b" + at.slice(1) : at);

class Room {
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.notes = { inputs: "" };
    const below = make("div", { class: "below" }, this.makeEditor(), this.makeLearning());
    const lesson = make("div", {});
    root.append(
      make(
        "p",
        { class: "soft" },
        "A small network sees an example, and each weight learns what to change. Step through " +
          "it; drag a line or a unit up or down to change its weight, input or bias; press any " +
          "number to see where it comes from.",
      ),
      this.makeSetup(),
      lesson,
    );
    this.lesson = new Lesson(lesson, {
      notes: this.notes,
      below,
      say: text => page.say(text),
      chosen: at => this.select(changeable(at)),
      moved: () => this.moved(),
    });
    this.lesson.drawing.remade = svg => this.makeDraggable(svg);
  }

  /* ---- the controls ------------------------------------------------------------------------ */

  makeSetup() {
    const change = key => value => this.change({ [key]: value });
    this.data = choice("example", sourceNames, value =>
      this.change({
        data: value,
        row: 0,
        batch: 1,
        changed: [],
        place: 0,
        example: 0,
        hidden: value === "digit" ? [8] : value === "iris" ? [4, 4] : [3],
        loss: value === "own" ? "squares" : this.state.loss,
      }),
    );
    this.row = choice("which", {}, value => this.change({ row: Number(value), changed: [] }));
    this.batch = choice("together", {}, value =>
      this.change({ batch: Number(value), changed: [], example: 0 }),
    );
    this.activation = choice(
      "activation",
      Object.fromEntries(activations.map(name => [name, name])),
      change("activation"),
    );
    this.loss = choice(
      "loss",
      Object.fromEntries(losses.map(name => [name, name])),
      change("loss"),
    );
    this.layers = make("span", {
      class: "layers",
      role: "group",
      "aria-label": "hidden layers",
    });
    this.own = make("textarea", { rows: 3, spellcheck: "false" });
    this.own.addEventListener("change", () =>
      this.change({ own: this.own.value, changed: [], example: 0 }),
    );
    this.ownLabel = make(
      "label",
      { class: "own", hidden: true },
      "one example a line: inputs -> wanted",
      this.own,
    );
    this.data.element.classList.add("data");
    this.loss.element.classList.add("loss");
    this.activation.element.classList.add("activation");
    this.row.element.classList.add("which-row");
    this.batch.element.classList.add("together");
    return make(
      "details",
      { class: "controls", open: matchMedia("(min-width: 56rem)").matches },
      make("summary", {}, "The example and the network"),
      make(
        "div",
        { class: "setup" },
        this.data.label,
        this.row.label,
        this.batch.label,
        this.layers,
        this.activation.label,
        this.loss.label,
        this.ownLabel,
      ),
    );
  }

  showLayers() {
    const { hidden } = this.state,
      set = list => this.change({ hidden: list, place: 0 });
    const field = (n, k) => {
      const input = make("input", {
        type: "number",
        min: 1,
        max: MOST_UNITS,
        value: n,
        "aria-label": `units of hidden layer ${k + 1}`,
      });
      input.addEventListener("change", () =>
        set(hidden.map((old, m) => (m === k ? Number(input.value) : old))),
      );
      return input;
    };
    const focused = [...this.layers.children].indexOf(document.activeElement),
      button = document.activeElement?.className;
    this.layers.replaceChildren(
      "hidden layers ",
      press("−", () => hidden.length > 0 && set(hidden.slice(0, -1)), {
        "aria-label": "one layer less",
        class: "less",
        "aria-disabled": String(hidden.length === 0),
      }),
      ...hidden.map(field),
      press("+", () => hidden.length < MOST_LAYERS && set([...hidden, 4]), {
        "aria-label": "one layer more",
        class: "more",
        "aria-disabled": String(hidden.length === MOST_LAYERS),
      }),
    );
    if (focused >= 0)
      (
        this.layers.querySelector("." + (button || "none")) ||
        this.layers.children[focused] ||
        this.layers.lastChild
      ).focus();
  }

  makeEditor() {
    this.what = make("select", {
      class: "what",
      "aria-label": "weight, bias or input to change",
    });
    this.what.addEventListener("change", () => this.select(this.what.value));
    this.number = make("input", {
      type: "number",
      step: "any",
      class: "value",
      "aria-label": "its value",
    });
    this.number.addEventListener("change", () =>
      this.edit(this.number.value.trim() === "" ? NaN : Number(this.number.value)),
    );
    this.slider = make("input", {
      type: "range",
      min: -3,
      max: 3,
      step: 0.01,
      class: "value-slider",
      "aria-label": "its value, as a slider",
    });
    this.slider.addEventListener("input", () =>
      this.soon(() => this.edit(Number(this.slider.value))),
    );
    return make(
      "fieldset",
      { class: "editor controls" },
      make("legend", {}, "Change a number"),
      this.what,
      this.number,
      this.slider,
    );
  }

  makeLearning() {
    this.rate = make("input", { type: "number", step: "any", class: "rate" });
    this.rate.addEventListener("change", () =>
      this.changeRate(this.rate.value.trim() === "" ? NaN : Number(this.rate.value)),
    );
    this.rateSlider = make("input", {
      type: "range",
      min: -4,
      max: 1,
      step: 0.05,
      class: "rate-slider",
      "aria-label": "rate, as a slider",
    });
    this.rateSlider.addEventListener("input", () =>
      this.soon(() => this.changeRate(Number((10 ** this.rateSlider.value).toPrecision(2)))),
    );
    this.tally = make("p", { class: "tally" });
    const box = make(
      "fieldset",
      { class: "learning" },
      make("legend", {}, "Learn"),
      make(
        "div",
        { class: "row controls" },
        press("One more step", () => this.learn(1), { class: "learn" }),
        press("Ten more", () => this.learn(10), { class: "learn-ten" }),
        press("Back to the first weights", () => this.forget(this.state.seed), {
          class: "first-weights",
        }),
        press("Other first weights", () => this.forget((this.state.seed + 1) % 1e9), {
          class: "other-weights",
        }),
      ),
      make(
        "div",
        { class: "row controls" },
        make("label", {}, "rate ", this.rate),
        this.rateSlider,
      ),
      this.tally,
    );
    this.curve = new LossCurve(box);
    return box;
  }

  /* ---- computing --------------------------------------------------------------------------- */

  /* The lesson of a state, and the losses on the way to it; `known` is what was computed for
       fewer steps of the same
     state. Throws an Error with a sentence. */
  compute(state, known) {
    const request = requestOf(state),
      lost = known ? [...known.lost] : [];
    let answer = known
      ? known.answer
      : lessonOf(this.page.engine, request, state.params ?? undefined);
    if (!known) lost.push(answer.mean_loss);
    while (lost.length <= state.steps) {
      answer = lessonOf(this.page.engine, request, paramsOf(answer, true));
      lost.push(answer.mean_loss);
    }
    return { request, answer, lost };
  }

  /* New networks and examples begin again at their first weights. */
  change(fields) {
    const begins = ["data", "row", "batch", "hidden", "activation", "loss", "own"].some(
      key => key in fields,
    );
    this.attempt({
      ...this.state,
      ...(begins ? { params: null, steps: 0, before: [] } : {}),
      ...fields,
    });
  }
  attempt(next, known) {
    try {
      const state = checkedState(partOf(next));
      this.accept(state, this.compute(state, known));
      this.page.complain("");
    } catch (error) {
      this.page.complain(this.sentence(next, error));
      this.showControls();
    }
  }
  sentence(next, error) {
    if (!next.hidden.every(n => Number.isInteger(n) && n >= 1 && n <= MOST_UNITS))
      return `A hidden layer here has 1 to ${MOST_UNITS} units.`;
    if (!(next.rate > 0 && next.rate <= 1000))
      return "The rate must be a number above 0, at most 1000.";
    return error.message;
  }

  accept(state, computed) {
    this.state = state;
    Object.assign(this, computed);
    this.notes.inputs = this.request.source.about(this.request.rows[0]);
    this.notes.rowName = k => this.request.source.rows[this.request.rows[k]];
    this.lesson.example = Math.min(state.example, this.answer.examples.length - 1);
    this.quiet = true;
    this.lesson.set(this.answer, this.state.place);
    this.quiet = false;
    this.showControls();
    this.page.changed();
  }

  moved() {
    if (this.quiet || !this.state) return;
    this.state.place = this.lesson.player.at;
    this.state.example = this.lesson.example;
    this.page.changed();
  }

  /* ---- changing numbers -------------------------------------------------------------------- */

  select(at) {
    this.selected = at;
    this.showEditor();
  }

  /* The weights as they are now become those from which later steps begin. */
  settled() {
    const { state } = this;
    return state.steps === 0
      ? {}
      : {
          params: paramsOf(this.answer),
          steps: 0,
          before: [...state.before, ...this.lost.slice(0, -1)].slice(-1000),
        };
  }

  edit(x) {
    if (!Number.isFinite(x) || Math.abs(x) > 1e6) {
      this.page.complain("A weight, bias or input is a number between −1,000,000 and 1,000,000.");
      this.showEditor();
      return;
    }
    const [what, l, j, i] = this.selected
      .split(":")
      .map((part, n) => (n === 0 ? part : Number(part)));
    if (what === "x") return this.editInput(j, x);
    const params = paramsOf(this.answer);
    params[slotOf(this.answer.sizes, l, j, i)] = x;
    this.attempt({ ...this.state, ...this.settled(), params });
  }
  editInput(j, x) {
    const row = this.request.rows[this.lesson.example],
      changed = this.state.changed.filter(([k, i]) => k !== row || i !== j);
    this.attempt({ ...this.state, ...this.settled(), changed: [...changed, [row, j, x]] });
  }
  changeRate(rate) {
    this.attempt({ ...this.state, ...this.settled(), rate });
  }

  learn(times) {
    const fits = MOST_STEPS - this.state.steps >= times,
      next = { ...this.state, ...(fits ? {} : this.settled()) };
    this.attempt({ ...next, steps: next.steps + times }, fits ? this : undefined);
    this.page.say(this.tally.textContent);
  }
  forget(seed) {
    this.attempt({ ...this.state, seed, params: null, steps: 0, before: [] });
  }

  /* At most once for each picture that the browser draws. */
  soon(does) {
    this.waiting = does;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.waiting();
    });
  }

  makeDraggable(svg) {
    let began, x;
    selectAll(svg.querySelectorAll("[data-at]")).call(
      drag()
        .container(this.lesson.net)
        .on("start", event => {
          this.select(changeable(event.sourceEvent.target.closest("[data-at]").dataset.at));
          began = event.y;
          x = this.valueSelected();
        })
        .on("drag", event => {
          const to = Number((x + (began - event.y) / PIXELS_PER_ONE).toFixed(3));
          this.soon(() => this.edit(to));
        }),
    );
    select(svg).attr("class", "draggable");
  }

  /* ---- showing ----------------------------------------------------------------------------- */

  valueSelected() {
    return this.lesson.data.value(
      this.selected.startsWith("x") ? this.lesson.example : 0,
      this.selected,
    );
  }

  showControls() {
    const { state, request } = this;
    if (!state) return;
    for (const key of ["data", "activation", "loss"]) this[key].element.value = state[key];
    const fill = (select, names, value) => {
      select.replaceChildren(...names.map((text, k) => make("option", { value: k }, text)));
      select.value = value;
    };
    fill(this.row.element, request.source.rows, state.row);
    this.batch.element.replaceChildren(
      ...request.source.rows.map((_, k) =>
        make("option", { value: k + 1 }, k === 0 ? "one example" : `a batch of ${k + 1}`),
      ),
    );
    this.batch.element.value = Math.min(state.batch, request.source.rows.length);
    this.own.value = state.own;
    this.ownLabel.hidden = state.data !== "own";
    this.rate.value = state.rate;
    this.rateSlider.value = Math.log10(state.rate);
    this.showLayers();
    this.showEditor();
    const all = [...state.before, ...this.lost];
    this.curve.show(all);
    this.tally.textContent =
      `${all.length - 1} step${all.length === 2 ? "" : "s"} taken; ` +
      `the ${request.rows.length > 1 ? "mean " : ""}loss is ${num(all[all.length - 1])}.`;
  }

  showEditor() {
    const { data } = this.lesson,
      known = this.changeables(data);
    if (!known.some(group => group.keys.includes(this.selected)))
      this.selected = known[known.length - 1].keys[0];
    this.what.replaceChildren(
      ...known.map(group =>
        make(
          "optgroup",
          { label: group.label },
          ...group.keys.map(key => make("option", { value: key }, this.nameOf(data, key))),
        ),
      ),
    );
    this.what.value = this.selected;
    const x = this.valueSelected(),
      reach = Math.max(3, Math.ceil(Math.abs(x)));
    if (document.activeElement !== this.slider)
      Object.assign(this.slider, { min: -reach, max: reach });
    this.number.value = Number(x.toPrecision(8));
    this.slider.value = x;
    this.lesson.drawing.mark(this.selected.replace(/^b/, "u"));
  }
  nameOf(data, key) {
    const [what, l, j, i] = key.split(":");
    return what === "x"
      ? data.name(0, Number(j))
      : data.weightName(Number(l), Number(j), i === undefined ? -1 : Number(i));
  }
  changeables(data) {
    const range = n => [...Array(n).keys()],
      groups = [{ label: "inputs", keys: range(data.sizes[0]).map(i => `x:0:${i}`) }];
    for (let l = 1; l <= data.depth; l++)
      groups.push({
        label: l === data.depth ? "into the outputs" : `into layer ${l}`,
        keys: range(data.sizes[l]).flatMap(j => [
          ...range(data.sizes[l - 1]).map(i => `w:${l}:${j}:${i}`),
          `b:${l}:${j}`,
        ]),
      });
    return groups;
  }
}

let room;

export const network = {
  name: "network",
  title: "A network learns",
  mount(root, page) {
    room = new Room(root, page);
    this.state = () => room.state;
  },
  load(part) {
    const state = checkedState(part);
    room.accept(state, room.compute(state));
  },
  part() {
    return room.state ? partOf(room.state) : {};
  },
  key(event) {
    return room.lesson.key(event);
  },
  leave() {
    room.lesson.player.stop();
  },
  exports() {
    const picture = room.lesson.drawing.svg;
    return [
      {
        label: "the picture, SVG",
        file: "network.svg",
        type: "image/svg+xml",
        make: () => svgText(picture),
      },
      {
        label: "the picture, PNG",
        file: "network.png",
        type: "image/png",
        make: () => pngOf(picture),
      },
      {
        label: "all numbers, JSON (tapir-lesson/1)",
        file: "lesson.json",
        type: "application/json",
        make: () => JSON.stringify(room.answer, null, 1),
      },
      {
        label: "the same lesson as a C program",
        file: "lesson.c",
        type: "text/x-csrc",
        make: () => programOf({ ...room.request, params: paramsOf(room.answer) }),
      },
    ];
  },
};
