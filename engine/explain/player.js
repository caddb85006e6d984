/* player.js - moving through steps: buttons, a slider, phases to jump to, keys, a presenter's
   remote, and playing by itself.

   Invariant: 0 <= at < length, and every change of `at` goes through `go`. A button that has
   nothing to do stays in the order of the keyboard, with aria-disabled, so that the focus is never
   lost. */
import { lessMotion, make, named } from "./page.js";

export class Player {
  /* root: an element that becomes the toolbar. onStep(at, from) shows a step; from is -1 the
     first time. */
  constructor(root, onStep) {
    this.root = root;
    this.onStep = onStep;
    this.at = 0;
    this.length = 1;
    this.phases = [];
    this.timer = 0;
    root.classList.add("player");
    root.setAttribute("role", "toolbar");
    root.setAttribute("aria-label", "steps");
    const button = (id, sign, says, go) => {
      const b = make(
        "button",
        { ...named(id), type: "button", "aria-label": says, title: says },
        sign,
      );
      b.addEventListener("click", () => {
        this.stop();
        go();
      });
      root.append(b);
      return b;
    };
    this.first = button("first", "|◀", "to the beginning (Home)", () => this.go(0));
    this.back = button("back", "◀", "one step back (left arrow)", () => this.go(this.at - 1));
    this.next = button("next", "▶", "one step forward (right arrow)", () => this.go(this.at + 1));
    this.last = button("last", "▶|", "to the end (End)", () => this.go(this.length - 1));
    this.playing = make(
      "button",
      { ...named("play"), type: "button", "aria-pressed": "false" },
      "play",
    );
    this.playing.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    this.slider = make("input", {
      ...named("at"),
      type: "range",
      min: 0,
      value: 0,
      "aria-label": "step",
    });
    this.slider.addEventListener("input", () => {
      this.stop();
      this.go(Number(this.slider.value));
    });
    this.count = make("span", named("count"));
    this.jumps = make("span", { class: "phases", role: "group", "aria-label": "phases" });
    root.append(this.playing, this.slider, this.count, this.jumps);
  }

  /* A new list of steps. phases: [{ name, at }], places to jump to. The place is kept if it
     still exists. */
  reset(length, phases = [], at = this.at) {
    this.stop();
    this.length = Math.max(1, length);
    this.phases = phases;
    this.slider.max = this.length - 1;
    this.jumps.replaceChildren(
      ...phases.map(phase => {
        const b = make("button", { type: "button" }, phase.name);
        b.addEventListener("click", () => {
          this.stop();
          this.go(phase.at);
        });
        return b;
      }),
    );
    this.at = Math.max(0, Math.min(this.length - 1, at));
    this.show(-1);
  }

  go(to) {
    const from = this.at;
    this.at = Math.max(0, Math.min(this.length - 1, to));
    if (this.at !== from) this.show(from);
  }

  show(from) {
    const first = this.at === 0,
      last = this.at === this.length - 1;
    this.slider.value = this.at;
    this.count.textContent = `${this.at} / ${this.length - 1}`;
    for (const b of [this.first, this.back]) b.setAttribute("aria-disabled", String(first));
    for (const b of [this.next, this.last]) b.setAttribute("aria-disabled", String(last));
    const now = this.phases.filter(phase => phase.at <= this.at).pop();
    this.slider.setAttribute(
      "aria-valuetext",
      `step ${this.at} of ${this.length - 1}${now ? ", " + now.name : ""}`,
    );
    [...this.jumps.children].forEach((b, k) =>
      this.phases[k] === now
        ? b.setAttribute("aria-current", "step")
        : b.removeAttribute("aria-current"),
    );
    this.onStep(this.at, from);
  }

  /* Where motion is not wanted the steps come more slowly, but they come: they were asked for. */
  play() {
    if (this.at === this.length - 1) this.go(0);
    this.timer = setInterval(
      () => {
        this.go(this.at + 1);
        if (this.at === this.length - 1) this.stop();
      },
      lessMotion() ? 2500 : 1200,
    );
    this.playing.textContent = "pause";
    this.playing.setAttribute("aria-pressed", "true");
  }
  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.playing.textContent = "play";
    this.playing.setAttribute("aria-pressed", "false");
  }

  /* True if the key was for the player. A presenter's remote sends PageDown and PageUp, which
       nothing else here
     needs; the arrows, Home, End and Space belong first to a control that has the focus and uses
     them. */
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    const to = {
      PageDown: this.at + 1,
      PageUp: this.at - 1,
      ArrowRight: this.at + 1,
      ArrowLeft: this.at - 1,
      Home: 0,
      End: this.length - 1,
      " ": this.at + 1,
    }[event.key];
    if (to === undefined) return false;
    const page = event.key.startsWith("Page"),
      where = event.target;
    if (!page && where.matches("input, select, textarea, [contenteditable], [data-keys]"))
      return false;
    if (event.key === " " && where.matches("button, a, summary, [role=button], [tabindex]"))
      return false;
    event.preventDefault();
    this.stop();
    this.go(to);
    return true;
  }
}
