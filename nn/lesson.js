/* lesson.js - the lesson of backpropagation, step by step: the toolbar, the picture, the words,
   the numbers, and where each comes from. It is the page that the library writes, and a room of
   the playground.

   Invariant: everything that is shown is a function of the data, the chosen example,
     the place and the keys that were
   asked about; new data keep the place where there are as many steps. */
import { make } from "../engine/explain/page.js";
import { Player } from "../engine/explain/player.js";
import { LessonData } from "./lesson_data.js";
import { LessonDrawing } from "./lesson_drawing.js";
import { keyAsked, originOf } from "./lesson_origin.js";
import { storyOf } from "./lesson_steps.js";

export class Lesson {
  /* Builds itself in root. options:
     notes          of storyOf
     chosen(at)     a wire "w:l:j:i", a unit "u:l:j" or an input "x:0:j" was pressed
     moved()        another step or example is shown
     below          an element that stands under the picture
     say(text)      tells a screen reader, instead of an element of its own */
  constructor(root, options = {}) {
    this.options = options;
    this.example = 0;
    this.asked = [];
    root.classList.add("lesson");
    this.root = root;
    const bar = make("div", { class: "bar" });
    this.player = new Player(bar, at => this.show(at));
    this.select = make("select", { "aria-label": "example" });
    this.which = make("label", { class: "which", hidden: true }, "example ", this.select);
    bar.append(this.which);
    this.net = make("div", {
      class: "net",
      tabindex: 0,
      role: "group",
      "aria-label": "picture of the network",
    });
    this.now = make("div", { class: "now", tabindex: -1 });
    this.numbers = make("div", {
      class: "numbers",
      tabindex: 0,
      role: "group",
      "aria-label": "numbers",
    });
    this.origin = make("div", {
      class: "origins",
      role: "region",
      "aria-label": "where it comes from",
      hidden: true,
    });
    this.spoken = make("div", { class: "spoken", "aria-live": "polite" });
    root.append(
      bar,
      make(
        "div",
        { class: "both" },
        make("div", { class: "left" }, this.net, ...(options.below ? [options.below] : [])),
        make("div", { class: "side" }, this.now, this.numbers, this.origin),
      ),
      this.spoken,
    );
    this.drawing = new LessonDrawing(this.net, at => this.chosen(at));
    this.select.addEventListener("change", () => this.choose(Number(this.select.value)));
    this.numbers.addEventListener("click", event => this.pressed(event));
    this.now.addEventListener("click", event => this.pressed(event));
    new ResizeObserver(() => root.style.setProperty("--bar", bar.offsetHeight + "px")).observe(bar);
  }

  /* The lesson as JSON. place: a step; undefined keeps the place. */
  set(json, place) {
    if (this.data && String(this.data.sizes) !== String(json.sizes)) this.asked = [];
    this.data = new LessonData(json, this.data);
    const { batch } = this.data;
    this.example = Math.min(this.example, batch.length - 1);
    this.drawing.draw(this.data);
    this.which.hidden = batch.length < 2;
    this.select.replaceChildren(
      ...batch.map((e, k) =>
        make(
          "option",
          { value: k },
          `${k + 1} of ${batch.length}: ` +
            (this.options.notes?.rowName ? this.options.notes.rowName(k) : `row ${e.row}`),
        ),
      ),
    );
    this.tell(place);
  }

  tell(place) {
    const before = this.steps?.length,
      { steps, phases } = storyOf(this.data, this.example, this.options.notes);
    this.steps = steps;
    this.select.value = this.example;
    this.player.reset(
      steps.length,
      phases,
      place ?? (before === steps.length ? this.player.at : 0),
    );
  }

  choose(example) {
    this.example = Math.max(0, Math.min(this.data.batch.length - 1, example));
    this.tell(this.player.at);
  }

  show(at) {
    const step = this.steps[at],
      focused = this.focusedKey();
    this.drawing.paint(step);
    this.now.className = "now " + step.kind;
    this.now.replaceChildren(...step.words());
    this.numbers.replaceChildren(step.numbers());
    for (const b of this.root.querySelectorAll(".from")) b.title = "where it comes from";
    if (focused)
      (this.root.querySelector(`.from[data-key="${CSS.escape(focused)}"]`) || this.now).focus({
        preventScroll: true,
      });
    this.drawOrigin();
    const words = `${step.said ? step.said + ". " : ""}${this.now.textContent}`;
    if (this.options.say) this.options.say(words);
    else this.spoken.textContent = words;
    this.options.moved?.();
  }

  /* A step makes its numbers anew: one that had the focus gives it to its successor. */
  focusedKey() {
    const has = document.activeElement;
    return this.root.contains(has) && has.matches(".from") ? has.dataset.key : "";
  }

  pressed(event) {
    const found = event.target.closest("[data-key]");
    if (found) this.ask([found.dataset.key]);
  }

  /* Something of the picture: what is known of it at this step. */
  chosen(at) {
    const [what, ...rest] = at.split(":"),
      end = rest.join(":"),
      back = this.steps[this.player.at].kind !== "forward" && this.player.at > 0;
    if (what === "x") this.ask(["x:" + end]);
    else if (what === "u")
      this.ask(back ? ["a:" + end, "da:" + end, "dz:" + end] : ["z:" + end, "a:" + end]);
    else
      this.ask(
        back
          ? [
              "w:" + end,
              "dw:" + end,
              ...(this.data.batch.length > 1 ? ["mw:" + end] : []),
              "nw:" + end,
            ]
          : ["w:" + end],
      );
    this.options.chosen?.(at);
  }

  ask(keys) {
    this.asked = keys.map(key => keyAsked(this.data, key));
    this.drawOrigin();
    this.origin.scrollIntoView({ block: "nearest" });
    const words = this.origin.querySelector("h3")?.textContent;
    if (this.options.say) this.options.say(words);
    else this.spoken.textContent = words;
  }

  drawOrigin() {
    const known = this.asked.filter(key => {
      try {
        return Number.isFinite(this.data.value(this.steps[this.player.at].example, key));
      } catch {
        return false;
      }
    });
    this.origin.hidden = known.length === 0;
    if (known.length === 0) return;
    const close = make(
      "button",
      { type: "button", "aria-label": "close where it comes from" },
      "×",
    );
    close.addEventListener("click", () => {
      this.asked = [];
      this.drawOrigin();
      this.now.focus({ preventScroll: true });
    });
    this.origin.replaceChildren(
      close,
      ...known.map(key => originOf(this.data, this.steps[this.player.at].example, key)),
    );
  }

  key(event) {
    return this.player.key(event);
  }
}
