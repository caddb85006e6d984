/* lesson_main.js - the page of a lesson: its data stand in it. */
import { $ } from "../engine/explain/page.js";
import { LessonSteps } from "./lesson.js";

const lessonSteps = new LessonSteps($("steps"));
lessonSteps.set(JSON.parse($("lesson").textContent));
$("about").textContent = `A network ${lessonSteps.sizes.join("-")} learns from ${lessonSteps.batch.length === 1 ? "one example" : lessonSteps.batch.length + " examples"}: ` +
  "first the values from left to right, then what should change, from right to left, then the step.";
document.addEventListener("keydown", event => lessonSteps.key(event));
