/* training_link.js - the page's end of the trainer: a promise for each piece of work, in a Worker
   made of the text that stands in the page, or in the page where a browser refuses that. */
import { makeWorkshop } from "./training_worker.js";

export class Trainer {
  constructor(compiled, text) {
    this.waiting = new Map();
    this.next = 1;
    try {
      this.worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
      this.worker.addEventListener("message", ({ data }) => {
        this.waiting.get(data.id)?.(data.answer);
        this.waiting.delete(data.id);
      });
      this.worker.addEventListener("error", () => this.atHome(compiled));
      this.worker.postMessage({ compiled });
    } catch {
      this.atHome(compiled);
    }
  }
  /* What was waiting is done here. */
  atHome(compiled) {
    this.worker = null;
    this.workshop = makeWorkshop(compiled);
    for (const [id, good] of this.waiting) {
      good({ error: "The trainer was moved into the page; begin again." });
      this.waiting.delete(id);
    }
  }
  do(work) {
    const id = this.next++;
    if (!this.worker)
      return new Promise(good =>
        setTimeout(() => {
          try {
            good(this.workshop(work));
          } catch (error) {
            good({ error: error.message });
          }
        }),
      );
    return new Promise(good => {
      this.waiting.set(id, good);
      this.worker.postMessage({ id, work });
    });
  }
}
