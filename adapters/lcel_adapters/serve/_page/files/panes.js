import { brief, duration, make } from "./dom.js";
import { summary } from "./lines.js";
import { Messages } from "./messages.js";

const MOST = 1000;

// A pane for each mode that was asked for: what it streamed, as it came.
export class Panes {
  constructor(element) {
    this.element = element;
    this.panes = new Map();
    this.queue = [];
  }

  // Begin again, with these modes.
  open(modes) {
    this.queue = [];
    const kinds = [...new Set(modes.map((mode) => (mode === "messages-tuple" ? "messages" : mode)))];
    this.panes = new Map(kinds.map((kind) => [kind, kind === "messages" ? new Talk() : new Pane(kind)]));
    this.element.replaceChildren(...[...this.panes.values()].map((pane) => pane.element));
  }

  add(event, data, ms) {
    this.queue.push([event, data, ms]);
  }

  // Draw what came since the last time.
  flush() {
    const news = new Map();
    for (const [event, data, ms] of this.queue.splice(0)) {
      const [name, ...namespace] = event.split("|");
      const pane = this.panes.get(name.split("/")[0]);
      if (pane && !news.has(pane)) news.set(pane, []);
      news.get(pane)?.push([name, namespace, data, ms]);
    }
    for (const [pane, frames] of news) pane.take(frames);
  }
}

class Scrolled {
  constructor(title, body) {
    this.count = 0;
    this.counter = make("span", { name: "quiet count", text: "0" });
    this.body = body;
    const heading = make("h2", {}, document.createTextNode(`${title} `), this.counter);
    this.element = make("section", { name: `pane pane-${title}`, "aria-label": title }, heading, body);
  }

  // Whoever reads further up is not carried off.
  take(frames) {
    const atEnd = this.body.scrollHeight - this.body.scrollTop - this.body.clientHeight < 24;
    this.count += frames.length;
    this.counter.textContent = String(this.count);
    this.add(frames);
    if (atEnd) this.body.scrollTop = this.body.scrollHeight;
  }
}

class Pane extends Scrolled {
  constructor(mode) {
    super(mode, make("ol", { name: "frames", tabindex: "0", "aria-label": `${mode}, as they came` }));
    this.mode = mode;
  }

  // The last lines are kept.
  add(frames) {
    const lines = frames.slice(-MOST).map(([, namespace, data, ms]) => this.#line(namespace, data, ms));
    this.body.append(...lines);
    while (this.body.children.length > MOST) this.body.firstElementChild.remove();
  }

  #line(namespace, data, ms) {
    const [head, rest] = summary(this.mode, data);
    const where = namespace.map((part) => part.split(":")[0]).join("/");
    const line = make(
      "summary",
      {},
      make("span", { name: "at", text: duration(ms) }),
      where ? make("span", { name: "where", text: where, title: namespace.join(" ") }) : null,
      head ? make("span", { name: "head", text: head }) : null,
      make("span", { name: "rest", text: brief(rest, 400) }),
    );
    const element = make("details", {}, line);
    element.addEventListener("toggle", () => {
      if (element.children.length < 2) element.append(make("pre", { text: JSON.stringify(data, null, 2) }));
    });
    return make("li", {}, element);
  }
}

class Talk extends Scrolled {
  constructor() {
    super("messages", make("ol", { name: "talk", tabindex: "0", "aria-label": "messages, as they came" }));
    this.messages = new Messages(this.body);
  }

  add(frames) {
    for (const frame of frames) this.messages.add(...frame);
  }
}
