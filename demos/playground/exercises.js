/* exercises.js - the room "Exercises". */
import { make } from "../../engine/explain/page.js";

export const exercises = {
  name: "exercises",
  title: "Exercises",
  mount(root, page) { root.append(make("p", {}, "not here yet")); this.page = page; },
  load() {},
  part() { return {}; },
};
