"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tree = document.getElementById("tree");
  const list = document.getElementById("list");
  const chooser = document.getElementById("case");
  const folded = new Set();
  let current = data.cases[0];
  let selected = -1;

  /* Everything an event holds becomes text: no markup is ever parsed from it. */
  function make(tag, options = {}, ...children) {
    const element = document.createElement(tag);
    const { text, name, ...attributes } = options;
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children.filter(Boolean));
    return element;
  }

  function finding(numbers) {
    const one = data.findings[numbers[0]];
    const more = numbers.length > 1 ? ` (and so ${numbers.length - 1} more)` : "";
    const button = make("button", { type: "button", name: `s-${one.severity}` },
      make("span", { text: one.message + more }),
      make("small", {},
        document.createTextNode((one.where || one.event || "run") + ": "),
        make("span", { name: "was", text: one.before === null ? "nothing" : brief(one.before) }),
        document.createTextNode(" → "),
        make("span", { name: "is", text: one.after === null ? "nothing" : brief(one.after) })),
      one.readers.length ? make("small", { text: "noticed by " + one.readers.join("; ") }) : null);
    button.addEventListener("click", () => reveal(numbers[0]));
    return make("li", { "data-severity": one.severity }, button);
  }

  function brief(text) {
    return text.length > 160 ? text.slice(0, 159) + "…" : text;
  }

  function drawList() {
    const wanted = new Set([...document.querySelectorAll("input[name=severity]:checked")].map((box) => box.value));
    list.replaceChildren(...data.groups.filter((g) => wanted.has(data.findings[g[0]].severity)).map(finding));
  }

  function extent() {
    const ends = current.runs.flatMap((run) => run.sides.filter(Boolean).map((side) => side.end));
    return Math.max(1, ...ends);
  }

  function half(side, depth, whole) {
    if (!side) return make("div", { name: "half none" });
    const label = make("div", { name: "name", title: side.tags.join(", ") },
      document.createTextNode(side.name + " "), make("small", { text: side.kind }));
    label.style.paddingLeft = `${depth * 0.9}em`;
    const bar = make("i", { title: `${side.begin.toFixed(1)} to ${side.end.toFixed(1)} ${current.unit}` });
    bar.style.left = `${(100 * side.begin) / whole}%`;
    bar.style.width = `${(100 * Math.max(0, side.end - side.begin)) / whole}%`;
    return make("div", { name: "half" }, label, make("div", { name: "track" }, bar));
  }

  function hasChildren(index) {
    const next = current.runs[index + 1];
    return Boolean(next && next.depth > current.runs[index].depth);
  }

  function drawTree() {
    const whole = extent();
    let hiddenBelow = Infinity;
    const rows = current.runs.map((run, index) => {
      const hidden = run.depth > hiddenBelow;
      if (!hidden) hiddenBelow = folded.has(index) ? run.depth : Infinity;
      const row = make("div", {
        role: "treeitem", tabindex: index === Math.max(selected, 0) ? "0" : "-1", "data-index": index,
        "aria-level": run.depth + 1, "aria-selected": String(index === selected),
        name: "run" + (run.severity ? ` mark-${run.severity}` : ""),
      }, half(run.sides[0], run.depth, whole), half(run.sides[1], run.depth, whole));
      if (hasChildren(index)) row.setAttribute("aria-expanded", String(!folded.has(index)));
      row.hidden = hidden;
      if (hidden) row.style.display = "none";
      row.addEventListener("click", () => select(index));
      return row;
    });
    tree.replaceChildren(...rows);
    document.getElementById("ended").textContent = ["before", "after"]
      .flatMap((side, n) => (current.errors[n] ? [`${side}: the run ended with ${current.errors[n]}`] : []))
      .join(" · ");
    document.getElementById("left-out").textContent =
      current.left_out ? `${current.left_out} more runs are not drawn.` : "";
  }

  function select(index, focus = true) {
    if (index < 0 || index >= current.runs.length) return;
    selected = index;
    for (const row of tree.children) {
      const here = Number(row.dataset.index) === index;
      row.setAttribute("aria-selected", String(here));
      row.tabIndex = here ? 0 : -1;
      if (here) { row.scrollIntoView({ block: "nearest" }); if (focus) row.focus(); }
    }
    drawEvents(current.runs[index]);
    history.replaceState(null, "", `#${data.cases.indexOf(current)}.${index}`);
  }

  function drawEvents(run) {
    document.getElementById("run-name").textContent = run.path.join(" / ");
    document.getElementById("hint").hidden = true;
    document.getElementById("run-findings").replaceChildren(...run.findings.map((number) => {
      const one = data.findings[number];
      return make("p", { name: "said" }, make("span", { name: `badge ${one.severity}`, text: one.severity }),
        document.createTextNode(` ${one.message}`));
    }));
    const table = document.getElementById("rows");
    table.hidden = false;
    table.tBodies[0].replaceChildren(...run.rows.map(eventRow));
  }

  function eventRow([mark, event, before, after, count]) {
    const row = make("tr", { name: mark });
    if (mark === "folded") {
      row.append(make("td", { colspan: 3, text: `… ${count} equal or further events` }));
      return row;
    }
    const same = mark === "same" ? before : after;
    row.append(make("td", { text: event }), make("td", { text: before ?? "" }), make("td", { text: same ?? "" }));
    return row;
  }

  function reveal(number) {
    const one = data.findings[number];
    const place = data.cases.findIndex((item) => item.input === one.input);
    if (place < 0) return;
    show(place);
    const index = current.runs.findIndex((run) => run.findings.includes(number));
    folded.clear();
    drawTree();
    select(index);
  }

  function show(place) {
    if (current !== data.cases[place]) { current = data.cases[place]; selected = -1; folded.clear(); drawTree(); }
    chooser.value = String(place);
  }

  function visible(index, step) {
    let next = index + step;
    while (current.runs[next] && tree.children[next].hidden) next += step;
    return next;
  }

  function different(step) {
    let next = selected + step;
    while (current.runs[next] && !current.runs[next].severity) next += step;
    if (!current.runs[next]) return;
    folded.clear();
    drawTree();
    select(next);
  }

  function fold(index, closed) {
    if (!hasChildren(index)) return;
    if (closed) folded.add(index); else folded.delete(index);
    drawTree();
    select(index);
  }

  function dark() {
    const root = document.documentElement;
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  }

  const keys = {
    ArrowDown: () => select(visible(selected, 1)),
    ArrowUp: () => select(visible(selected, -1)),
    ArrowLeft: () => fold(selected, true),
    ArrowRight: () => fold(selected, false),
    Home: () => select(0),
    Enter: () => select(Math.max(selected, 0)),
  };

  tree.addEventListener("keydown", (event) => {
    if (event.key in keys) { event.preventDefault(); keys[event.key](); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    if (event.key === "n") different(1);
    if (event.key === "p") different(-1);
    if (event.key === "d") dark();
  });
  document.getElementById("theme").addEventListener("click", dark);
  chooser.addEventListener("change", () => show(Number(chooser.value)));
  for (const box of document.querySelectorAll("input[name=severity]")) box.addEventListener("change", drawList);
  data.cases.forEach((item, place) => chooser.append(make("option", { value: place, text: `input ${item.input}` })));
  chooser.hidden = data.cases.length < 2;

  drawList();
  if (!current) return;
  drawTree();
  const [place, index] = location.hash.slice(1).split(".").map(Number);
  if (data.cases[place] && Number.isInteger(index)) { show(place); select(index, false); }
})();
