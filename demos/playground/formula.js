/* formula.js - the room "A formula". */
import { make } from "../../engine/explain/page.js";

export const formula = {
  name: "formula",
  title: "A formula",
  mount(root, page) { root.append(make("p", {}, "not here yet")); this.page = page; },
  load() {},
  part() { return {}; },
};
