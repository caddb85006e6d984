/* lesson_main.js - the page of a lesson: its data stand in it. */
import { $ } from "../engine/explain/page.js";
import { Lesson } from "./lesson.js";

const lesson = new Lesson($("steps")),
  written = JSON.parse($("lesson").textContent),
  learned = written.examples.length;
$("about").textContent =
  `A network ${written.sizes.join("-")} learns ` +
  `from ${learned === 1 ? "one example" : learned + " examples"}: ` +
  "first the values from left to right, then what should change, from right to left, then the " +
  "step.";
lesson.set(written);
document.addEventListener("keydown", event => lesson.key(event));
