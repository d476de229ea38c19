// The tree of runs that events tell of, as it grows.

const NAMED = /^on_(.+)_(start|stream|end|error)$/;
const MOST_ROWS = 2000;
const MOST_TEXT = 20_000;

export class RunLog {
  constructor() {
    this.runs = new Map();
    this.roots = [];
    this.count = 0;
    this.ordered = null;
  }

  // Read an event that came after so many milliseconds.
  add(event, ms) {
    const place = this.count++;
    const [, kind, phase] = NAMED.exec(event.event) ?? [];
    if (!event.run_id) return;
    const run = this.runs.get(event.run_id) ?? (kind ? this.#begin(event, kind, { ms, events: place }) : null);
    if (!run) return;
    run.version += 1;
    if (phase) phases[phase](run, event, { ms, events: place });
  }

  #begin(event, kind, begin) {
    const run = {
      id: event.run_id,
      name: event.name ?? "",
      kind,
      tags: event.tags ?? [],
      metadata: event.metadata ?? {},
      parent: this.#parent(event),
      children: [],
      begin,
      end: null,
      first: null,
      state: null,
      version: 0,
      input: undefined,
      output: undefined,
      error: undefined,
      chunks: 0,
      text: "",
    };
    run.depth = run.parent ? run.parent.depth + 1 : 0;
    (run.parent?.children ?? this.roots).push(run);
    this.runs.set(run.id, run);
    this.ordered = null;
    return run;
  }

  #parent(event) {
    const known = (event.parent_ids ?? []).filter((id) => this.runs.has(id));
    return known.length ? this.runs.get(known[known.length - 1]) : null;
  }

  // The stream is over: what still goes on never ended.
  close(ms, state) {
    for (const run of this.runs.values()) {
      if (run.end) continue;
      Object.assign(run, { end: { ms, events: this.count }, state, version: run.version + 1 });
    }
  }

  get leftOut() {
    return Math.max(0, this.runs.size - MOST_ROWS);
  }

  // The rows of a timeline whose axis is in this unit, "ms" or "events".
  rows(unit) {
    this.ordered ??= inOrder(this.roots).slice(0, MOST_ROWS);
    return this.ordered.map((run) => ({ key: run.id, depth: run.depth, stamp: run.version, sides: [side(run, unit)] }));
  }
}

const phases = {
  start(run, event) {
    run.input = event.data?.input;
  },
  stream(run, event, at) {
    run.first ??= at;
    run.chunks += 1;
    if (run.text.length < MOST_TEXT) run.text += said(event.data?.chunk);
  },
  end(run, event, at) {
    run.end = at;
    run.input ??= event.data?.input;
    run.output = event.data?.output;
  },
  error(run, event, at) {
    Object.assign(run, { end: at, state: "failed", error: event.data?.error });
  },
};

// The text of a chunk, where it is text or a message.
export function said(chunk) {
  const content = typeof chunk === "string" ? chunk : chunk?.content;
  if (typeof content === "string") return content;
  if (Array.isArray(content))
    return content.map((block) => (typeof block === "string" ? block : (block?.text ?? ""))).join("");
  return "";
}

function side(run, unit) {
  return {
    name: run.name,
    kind: run.kind,
    tags: run.tags,
    state: run.state,
    begin: run.begin[unit],
    end: run.end?.[unit] ?? null,
    first: run.first?.[unit] ?? null,
  };
}

function inOrder(roots) {
  const found = [];
  const todo = [...roots].reverse();
  while (todo.length) {
    const run = todo.pop();
    found.push(run);
    todo.push(...[...run.children].reverse());
  }
  return found;
}
