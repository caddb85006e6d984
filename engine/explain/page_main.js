/* page_main.js - the page of a formula: its data stand in it. */
import { $ } from "./page.js";
import { GraphSteps } from "./graph.js";

const steps = new GraphSteps($("steps"), { svg: $("graph") });
steps.set(JSON.parse($("data").textContent));
document.addEventListener("keydown", event => steps.key(event));
