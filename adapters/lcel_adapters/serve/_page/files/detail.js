import { brief, duration, make } from "./dom.js";

const MOST = 20_000;

// A run that was chosen in a timeline: when it ran, and what went in and came out.
export function detail(run) {
  return [
    make("h2", { text: run.name }),
    make(
      "p",
      { name: "quiet" },
      document.createTextNode(run.kind),
      ...run.tags.map((tag) => make("span", { name: "tag", text: tag })),
    ),
    facts(run),
    ...part("Error", run.error),
    ...part("Input", run.input),
    ...(run.text ? part("Streamed", run.text) : []),
    ...part("Output", run.output),
    folded("Metadata", run.metadata),
  ];
}

function facts(run) {
  const took = run.end ? duration(run.end.ms - run.begin.ms) : "still going on";
  const pairs = [
    ["began", duration(run.begin.ms)],
    ["took", run.state === "cut" ? `${took}, never ended` : took],
  ];
  if (run.first)
    pairs.push(["first chunk", `after ${duration(run.first.ms - run.begin.ms)}`], ["chunks", String(run.chunks)]);
  return make(
    "dl",
    { name: "facts" },
    ...pairs.flatMap(([name, text]) => [make("dt", { text: name }), make("dd", { text })]),
  );
}

export function part(title, value) {
  if (value === undefined || value === null) return [];
  return [make("h3", { text: title }), make("pre", { tabindex: "0", text: pretty(value) })];
}

export function folded(title, value) {
  return make("details", {}, make("summary", { text: title }), make("pre", { text: pretty(value) }));
}

export function pretty(value) {
  return brief(typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? ""), MOST);
}
