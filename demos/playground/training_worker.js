/* training_worker.js - trains beside the page, so that the page never stutters. It runs in a
   Worker, or, where a browser makes none of a page on a disk, in the page itself
   (training_link.js).

   A message is { id, work }: [command, fields] to be asked, or { run: { steps, milliseconds, grid,
   batch } }: batches until either is used up, then what `look` says, the activations over a grid
   and, if wanted, the next batch. The answer has the same id. */
import { Engine } from "./engine.js";

/* So many batches are asked for at once: long enough that asking costs nothing, short enough to
   stop in time. */
const AT_ONCE = 64;

export function makeWorkshop(compiled) {
  const engine = new Engine(compiled);
  const gridOf = fields => {
    const said = engine.ask("grid", fields);
    return said.error
      ? said
      : {
          n: said.n,
          units: said.units,
          values: Float64Array.from(engine.doubles(said.at, said.n * said.n * said.units)),
        };
  };
  function run({ steps, milliseconds, grid, batch }) {
    const end = performance.now() + milliseconds;
    let left = steps,
      said = null;
    do {
      const n = Math.min(left, milliseconds > 0 ? AT_ONCE : left);
      said = engine.ask("steps", { steps: n, brief: left - n > 0 ? 1 : 0 });
      left -= n;
    } while (left > 0 && !said.error && !said.stopped && performance.now() < end);
    if (said.loss === undefined && !said.error) said = engine.ask("steps", { steps: 0 });
    return { look: said, grid: gridOf(grid), batch: batch ? engine.ask("batch") : undefined };
  }
  return work => (work.run ? run(work.run) : engine.ask(work.ask[0], work.ask[1]));
}

if (typeof document === "undefined") {
  let workshop = null;
  addEventListener("message", ({ data }) => {
    if (data.compiled) {
      workshop = makeWorkshop(data.compiled);
      return;
    }
    let answer;
    try {
      answer = workshop(data.work);
    } catch (error) {
      answer = { error: error.message };
    }
    postMessage({ id: data.id, answer });
  });
}
