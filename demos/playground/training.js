/* training.js - the room "Training, live". */
import { make } from "../../engine/explain/page.js";

export const training = {
  name: "training",
  title: "Training, live",
  mount(root, page) { root.append(make("p", {}, "not here yet")); this.page = page; },
  load() {},
  part() { return {}; },
};
