import { make, measure } from "./dom.js";

// Runs as a timeline: a tree of rows, each with one bar per side.
//
// A row is {key, depth, severity, stamp, sides}, and a side null or {name, kind, tags, begin, end, first, state}: places
// on the axis, of which `end` is null while the run goes on, and `first`, where its first chunk came, null without one.
// Rows can be drawn again as they grow: one whose `stamp` is the same is not touched. Bars hang on custom properties, so
// that an axis that grows moves them all at once.
export class RunTree {
  constructor({ id, label, sides, chosen }) {
    this.chosen = chosen;
    this.rows = [];
    this.items = new Map();
    this.folded = new Set();
    this.selected = null;
    this.unit = "ms";
    this.tree = make("div", { id, role: "tree", "aria-label": label, name: "tree" });
    this.scales = sides.map(() => make("span", { name: "until" }));
    this.head = make("div", { name: "sides" }, ...sides.map((side, at) => heading(side, this.scales[at])));
    this.element = make("div", { name: sides.length > 1 ? "timeline pairs" : "timeline" }, this.head, this.tree);
    this.tree.addEventListener("keydown", (event) => this.#pressed(event));
    this.tree.addEventListener("click", (event) => this.#clicked(event));
  }

  draw(rows, { whole, unit = "ms" }) {
    if (unit !== this.unit) this.items.clear();
    this.unit = unit;
    this.rows = rows;
    this.head.hidden = rows.length === 0;
    const items = rows.map((row) => this.#item(row));
    this.items = new Map(rows.map((row, at) => [row.key, { stamp: row.stamp, element: items[at] }]));
    place(this.tree, items);
    this.#arrange();
    this.reach(whole);
  }

  // How far the axis goes, which is also where runs end that still go on.
  reach(whole) {
    this.tree.style.setProperty("--whole", Math.max(whole, 0.001));
    for (const scale of this.scales) scale.textContent = measure(whole, this.unit);
  }

  clear() {
    this.folded.clear();
    this.selected = null;
    this.draw([], { whole: 1, unit: this.unit });
  }

  select(at, { focus = true } = {}) {
    const row = this.rows[at];
    if (!row) return;
    this.selected = row.key;
    this.#arrange();
    const element = this.tree.children[at];
    element.scrollIntoView({ block: "nearest" });
    if (focus) element.focus({ preventScroll: true });
    this.chosen(row, at);
  }

  unfold() {
    this.folded.clear();
    this.#arrange();
  }

  get at() {
    return this.rows.findIndex((row) => row.key === this.selected);
  }

  #item(row) {
    const known = this.items.get(row.key);
    if (known && known.stamp !== undefined && known.stamp === row.stamp) return known.element;
    const element = known?.element ?? make("div", { role: "treeitem", tabindex: "-1" });
    element.className = row.severity ? `run mark-${row.severity}` : "run";
    element.setAttribute("aria-level", row.depth + 1);
    element.replaceChildren(...row.sides.map((side) => half(side, row, this.unit)));
    return element;
  }

  // Which rows are seen, chosen, foldable.
  #arrange() {
    let below = Infinity;
    const focused = Math.max(this.at, 0);
    this.rows.forEach((row, at) => {
      const element = this.tree.children[at];
      element.hidden = row.depth > below;
      if (!element.hidden) below = this.folded.has(row.key) ? row.depth : Infinity;
      element.dataset.index = at;
      element.tabIndex = at === focused ? 0 : -1;
      element.setAttribute("aria-selected", String(row.key === this.selected));
      if (this.#foldable(at)) element.setAttribute("aria-expanded", String(!this.folded.has(row.key)));
      else element.removeAttribute("aria-expanded");
    });
  }

  #foldable(at) {
    return this.rows[at + 1]?.depth > this.rows[at]?.depth;
  }

  #fold(at, closed) {
    if (!this.#foldable(at)) return;
    if (closed) this.folded.add(this.rows[at].key);
    else this.folded.delete(this.rows[at].key);
    this.select(at);
  }

  #step(by) {
    let at = this.at + by;
    while (this.tree.children[at]?.hidden) at += by;
    this.select(at);
  }

  #clicked(event) {
    const element = event.target.closest(".run");
    if (!element) return;
    const at = Number(element.dataset.index);
    if (event.target.closest(".fold")) this.#fold(at, !this.folded.has(this.rows[at].key));
    else this.select(at);
  }

  #pressed(event) {
    const keys = {
      ArrowDown: () => this.#step(1),
      ArrowUp: () => this.#step(-1),
      ArrowLeft: () => this.#fold(this.at, true),
      ArrowRight: () => this.#fold(this.at, false),
      Home: () => this.select(0),
      Enter: () => this.select(Math.max(this.at, 0)),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }
}

// The children in this order, moving no more of them than are not in place.
function place(parent, children) {
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

function heading(side, scale) {
  const axis = make("div", { name: "scale" }, make("span", { text: "0" }), scale);
  return make("div", { name: "half" }, make("span", { text: side }), axis);
}

function half(side, row, unit) {
  if (!side) return make("div", { name: "half none" });
  const state = side.state ? ` is-${side.state}` : "";
  return make("div", { name: `half kind-${side.kind}${state}` }, label(side, row), track(side, unit), took(side, unit));
}

function label(side, row) {
  const name = make(
    "span",
    { name: "name" },
    document.createTextNode(`${side.name} `),
    make("small", { text: side.kind }),
  );
  const tags = side.tags.map((tag) => make("span", { name: "tag", text: tag }));
  const title = [side.name, side.kind, ...side.tags].join(" · ");
  const element = make(
    "div",
    { name: "what", title },
    make("span", { name: "fold", "aria-hidden": "true" }),
    name,
    ...tags,
  );
  element.style.setProperty("--depth", row.depth);
  return element;
}

function track(side, unit) {
  const bar = make("i", { title: said(side, unit) });
  bar.style.setProperty("--begin", side.begin);
  if (side.end !== null) bar.style.setProperty("--end", side.end);
  const element = make("div", { name: "track" }, bar);
  if (side.first === null || side.first === undefined) return element;
  const first = make("b", { title: `first chunk at ${measure(side.first, unit)}` });
  first.style.setProperty("--first", side.first);
  element.append(first);
  return element;
}

function said(side, unit) {
  const until = side.end === null ? "still going on" : `to ${measure(side.end, unit)}`;
  return `${measure(side.begin, unit)} ${until}`;
}

function took(side, unit) {
  const text = side.end === null ? "…" : unit === "ms" ? measure(side.end - side.begin, unit) : "";
  return make("span", { name: "took", text });
}
