/* network.js - the room "A network learns". */
import { make } from "../../engine/explain/page.js";

export const network = {
  name: "network",
  title: "A network learns",
  mount(root, page) { root.append(make("p", {}, "not here yet")); this.page = page; },
  load() {},
  part() { return {}; },
};
