import { brief, make } from "./dom.js";
import { RunTree } from "./tree.js";

// What a comparison found, drawn from its data: findings, noise, figures; both sides' runs as timelines; a run's
// events, old beside new. Nothing is compared here.
export class ComparisonView {
  constructor(data, { chosen = () => {} } = {}) {
    this.data = data;
    this.chosen = chosen;
    this.current = null;
    this.tree = new RunTree({
      id: "tree",
      label: "runs, before and after",
      sides: ["before", "after"],
      chosen: (row, at) => this.#selected(at),
    });
    this.#build();
    this.#drawFindings();
    if (data.cases.length) this.show(0);
  }

  #build() {
    this.list = make("ol", { id: "list" });
    this.filters = make("div", { name: "filters", role: "group", "aria-label": "severity" });
    this.filters.append(...["breaking", "changed", "info"].map((severity) => this.#filter(severity)));
    const findings = make(
      "section",
      { id: "findings", "aria-label": "findings" },
      make("h2", { text: "Findings" }),
      this.filters,
      this.list,
      this.data.findings.length ? null : make("p", { name: "quiet", text: "Nothing differs." }),
      noise(this.data.noise),
      figures(this.data.timings),
    );
    this.element = make("div", { name: "comparison" }, findings, this.#runs(), this.#events());
  }

  #filter(severity) {
    const box = make("input", { type: "checkbox", name: "", value: severity });
    box.name = "severity";
    box.checked = true;
    box.addEventListener("change", () => this.#drawFindings());
    const count = this.data.findings.filter((one) => one.severity === severity).length;
    return make(
      "label",
      {},
      box,
      make("span", { name: `badge ${severity}`, text: severity }),
      document.createTextNode(` ${count}`),
    );
  }

  #runs() {
    this.chooser = make("select", { id: "case", "aria-label": "input" });
    this.data.cases.forEach((item, place) =>
      this.chooser.append(make("option", { value: place, text: `input ${item.input}` })),
    );
    this.chooser.hidden = this.data.cases.length < 2;
    this.chooser.addEventListener("change", () => this.show(Number(this.chooser.value)));
    this.leftOut = make("p", { name: "quiet" });
    this.ended = make("p", { name: "quiet", id: "ended" });
    const keys = "↑ ↓ runs · ← → fold · n p next, previous difference";
    const bar = make(
      "div",
      { name: "bar" },
      make("h2", { text: "Runs" }),
      this.chooser,
      make("span", { name: "quiet keys", text: keys }),
    );
    return make("section", { id: "runs", "aria-label": "runs" }, bar, this.tree.element, this.leftOut, this.ended);
  }

  #events() {
    this.name = make("h2", { id: "run-name", text: "Events" });
    this.about = make(
      "div",
      { id: "run-findings" },
      make("p", { name: "quiet", text: "Choose a run to see its events, before and after, side by side." }),
    );
    this.rows = make("tbody");
    const head = make("tr", {}, ...["event", "before", "after"].map((text) => make("th", { text })));
    this.table = make("table", { id: "rows", name: "rows" }, make("thead", {}, head), this.rows);
    this.table.hidden = true;
    return make(
      "section",
      { id: "events", "aria-label": "events of the run", "aria-live": "polite" },
      this.name,
      this.about,
      this.table,
    );
  }

  #drawFindings() {
    const wanted = new Set([...this.filters.querySelectorAll("input:checked")].map((box) => box.value));
    const shown = this.data.groups.filter(([first]) => wanted.has(this.data.findings[first].severity));
    this.list.replaceChildren(...shown.map((numbers) => this.#finding(numbers)));
  }

  #finding(numbers) {
    const one = this.data.findings[numbers[0]];
    const more = numbers.length > 1 ? ` (and so ${numbers.length - 1} more)` : "";
    const element = make(
      "button",
      { type: "button", name: `finding s-${one.severity}` },
      make("span", { text: one.message + more }),
      make(
        "small",
        {},
        document.createTextNode(`${one.where || one.event || "run"}: `),
        make("span", { name: "was", text: one.before === null ? "nothing" : brief(one.before) }),
        document.createTextNode(" → "),
        make("span", { name: "is", text: one.after === null ? "nothing" : brief(one.after) }),
      ),
      one.readers.length ? make("small", { text: `noticed by ${one.readers.join("; ")}` }) : null,
    );
    element.addEventListener("click", () => this.reveal(numbers[0]));
    return make("li", { "data-severity": one.severity }, element);
  }

  // Draw the runs of an input.
  show(place) {
    const found = this.data.cases[place];
    if (!found || found === this.current) return;
    this.current = found;
    this.chooser.value = String(place);
    this.tree.clear();
    const rows = found.runs.map((run, key) => ({ key: `${place}.${key}`, ...run }));
    const ends = rows.flatMap((row) => row.sides.filter(Boolean).map((side) => side.end));
    this.tree.draw(rows, { whole: Math.max(found.unit === "ms" ? 0.001 : 1, ...ends), unit: found.unit });
    this.ended.textContent = found.errors
      .flatMap((error, side) => (error ? [`${["before", "after"][side]}: the run ended with ${error}`] : []))
      .join(" · ");
    this.leftOut.textContent = found.left_out ? `${found.left_out} more runs are not drawn.` : "";
  }

  select(at, options) {
    this.tree.select(at, options);
  }

  #selected(at) {
    const run = this.current.runs[at];
    this.name.textContent = run.path.join(" / ");
    this.about.replaceChildren(...run.findings.map((number) => about(this.data.findings[number])));
    this.table.hidden = false;
    this.rows.replaceChildren(...run.rows.map(eventRow));
    this.chosen(this.data.cases.indexOf(this.current), at);
  }

  // Go to the run that a finding is about.
  reveal(number) {
    const place = this.data.cases.findIndex((item) => item.input === this.data.findings[number].input);
    if (place < 0) return;
    this.show(place);
    this.tree.unfold();
    this.select(this.current.runs.findIndex((run) => run.findings.includes(number)));
  }

  // Go to the next run that differs, or the one before.
  different(step) {
    const runs = this.current?.runs ?? [];
    let at = this.tree.at + step;
    while (runs[at] && !runs[at].severity) at += step;
    if (!runs[at]) return;
    this.tree.unfold();
    this.select(at);
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (event.key === "n") this.different(1);
    if (event.key === "p") this.different(-1);
  }
}

function about(one) {
  return make(
    "p",
    { name: "said" },
    make("span", { name: `badge ${one.severity}`, text: one.severity }),
    document.createTextNode(` ${one.message}`),
  );
}

function eventRow([mark, event, before, after, count]) {
  if (mark === "folded") {
    const cell = make("td", { colspan: 3, text: `… ${count} equal or further events` });
    return make("tr", { name: mark }, cell);
  }
  const beside = mark === "same" ? before : after;
  return make("tr", { name: mark }, ...[event, before ?? "", beside ?? ""].map((text) => make("td", { text })));
}

function noise(found) {
  if (!found.length) return null;
  const lines = found.map((one) =>
    make("li", {
      text:
        `${[one.run.join("/"), one.event, one.where].filter(Boolean).join(" ")}: ${one.kind},` +
        ` ${Math.round(100 * one.rate)} % of the repetitions`,
    }),
  );
  return make(
    "div",
    {},
    make("h2", { text: "Noise" }),
    make("p", { name: "quiet", text: "What the old side does not repeat either is no finding." }),
    make("ul", { name: "noise" }, ...lines),
  );
}

function figures(timings) {
  if (!timings.length) return null;
  const head = make("tr", {}, ...["milliseconds", "input", "before", "after"].map((text) => make("th", { text })));
  const lines = timings.map((one) =>
    make(
      "tr",
      {},
      ...[one.name.replace("_", " "), one.input, spread(one.before), spread(one.after)].map((text) =>
        make("td", { text }),
      ),
    ),
  );
  return make("div", {}, make("h2", { text: "Time" }), make("table", { name: "times" }, head, ...lines));
}

function spread(figure) {
  if (figure === null) return "–";
  const median = figure.median.toFixed(1);
  return figure.count > 1 ? `${median} (${figure.low.toFixed(1)} to ${figure.high.toFixed(1)})` : median;
}
