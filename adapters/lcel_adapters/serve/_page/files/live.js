import { make } from "./dom.js";
import { RunLog } from "./events.js";
import { RunTree } from "./tree.js";

// Milliseconds of a frame that nobody takes for a halt.
const SMOOTH = 40;

// A timeline that grows while a run streams: its time begins with the first event, and goes on between events.
export class LiveTree {
  constructor({ id, label, side, chosen = () => {} }) {
    this.tree = new RunTree({ id, label, sides: [side], chosen: (row) => chosen(this.log.runs.get(row.key)) });
    this.leftOut = make("p", { name: "quiet" });
    this.element = make("div", {}, this.tree.element, this.leftOut);
    this.unit = "ms";
    this.clear();
  }

  clear() {
    this.log = new RunLog();
    this.began = performance.now();
    this.first = null;
    this.until = null;
    this.dirty = false;
    this.tree.clear();
    this.leftOut.textContent = "";
  }

  // Milliseconds since the request.
  get elapsed() {
    return (this.until ?? performance.now()) - this.began;
  }

  add(event) {
    this.first ??= this.elapsed;
    this.log.add(event, this.elapsed - this.first);
    this.dirty = true;
  }

  // The run is over; `state` is that of runs that did not end by themselves, "failed" or "cut".
  end(state) {
    this.until = performance.now();
    this.log.close(this.elapsed - (this.first ?? 0), state);
    this.dirty = true;
    this.draw();
  }

  by(unit) {
    this.unit = unit;
    this.dirty = true;
    this.draw();
  }

  draw() {
    const whole = this.unit === "ms" ? this.elapsed - (this.first ?? this.elapsed) : this.log.count;
    if (this.dirty) this.tree.draw(this.log.rows(this.unit), { whole, unit: this.unit });
    else this.tree.reach(whole);
    this.dirty = false;
    const more = this.log.leftOut;
    this.leftOut.textContent = more ? `${more} more runs are not drawn.` : "";
  }
}

// Calls something as often as the screen is drawn, until it is stopped; where that is slow, it leaves the page as much
// time for other things again: reading the stream is one of them.
export function ticking(work) {
  let on = true;
  let next = 0;
  let worked = null;
  const tick = (now) => {
    if (!on) return;
    if (worked !== null && now - worked > SMOOTH) next = now + (now - worked);
    worked = null;
    if (now >= next) {
      worked = now;
      work();
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  return () => {
    on = false;
  };
}
