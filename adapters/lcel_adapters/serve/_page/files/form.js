import { json, newId } from "./api.js";
import { make } from "./dom.js";
import { InputEditor, read } from "./input.js";

const MODES = ["values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug", "events"];
const CHOSEN = new Set(["values", "messages-tuple", "events"]);
const at = (id) => document.getElementById(id);
const kindOfThread = (kind) => document.querySelector(`input[name=thread][value=${kind}]`);

// What is to be run: a graph, its input, the modes, a thread, and what else a run may be told.
export class RunForm {
  constructor({ wanted, failed }) {
    this.failed = failed;
    this.input = new InputEditor(at("run-input"));
    at("modes").append(...MODES.map(box), box("subgraphs", { checked: false, apart: true }));
    at("graph").addEventListener("change", () => this.#changed());
    at("thread-id").addEventListener("input", () => this.useThread(at("thread-id").value));
    at("run-form").addEventListener("submit", (event) => {
      event.preventDefault();
      wanted();
    });
  }

  // Take the list of assistants.
  offer(assistants) {
    offered(at("graph"), assistants);
    this.#describe();
  }

  // Fill it so that a thread goes on from one of its checkpoints.
  again({ thread, checkpoint, assistant }) {
    const options = [...at("graph").options];
    const known = options.find((one) => assistant.includes(one.value) || assistant.includes(one.dataset.graph));
    if (known && known.value !== at("graph").value) {
      at("graph").value = known.value;
      this.#describe();
    }
    this.useThread(thread);
    at("checkpoint").value = checkpoint;
    at("more").open = true;
    this.input.clear();
    at("start").focus();
  }

  useThread(id) {
    kindOfThread("this").checked = true;
    if (at("thread-id").value !== id) at("thread-id").value = id;
    at("thread-history").hidden = !id;
    at("thread-history").setAttribute("href", `#history/${encodeURIComponent(id)}`);
  }

  // The thread to run on, maybe a new one; null for none. Raises Error if it is not said which.
  thread() {
    if (kindOfThread("none").checked) return null;
    if (kindOfThread("new").checked) return newId();
    const typed = at("thread-id").value.trim();
    if (!typed) throw new Error("Which thread? Its id is missing.");
    return typed;
  }

  // A run's request. Raises SyntaxError for what is no JSON.
  body(thread) {
    const checkpoint = at("checkpoint").value.trim() || undefined;
    // With nothing filled in, a graph starts with an empty state, and goes on from a checkpoint as it is.
    const input = this.input.value ?? (checkpoint ? null : {});
    return { ...this.#wishes(thread), assistant_id: at("graph").value, checkpoint_id: checkpoint, input };
  }

  // The request of a run that goes on with one before.
  steering(before, steps) {
    return { ...this.#wishes(before.thread), assistant_id: before.assistant, ...steps };
  }

  // Once: what runs next goes on from what comes of this.
  forgetCheckpoint() {
    at("checkpoint").value = "";
  }

  set busy(on) {
    at("start").disabled = on;
    at("cancel").disabled = !on;
  }

  #wishes(thread) {
    return {
      stream_mode: MODES.filter((mode) => at(`mode-${mode}`).checked),
      stream_subgraphs: at("mode-subgraphs").checked,
      config: read(at("config").value, "the config"),
      context: read(at("context").value, "the context"),
      interrupt_before: nodes(at("before").value),
      interrupt_after: nodes(at("after").value),
      ...(thread ? { if_not_exists: "create" } : { on_disconnect: "cancel" }),
    };
  }

  // Another graph: the thread of the one before is not its own.
  #changed() {
    kindOfThread("new").checked = true;
    this.forgetCheckpoint();
    this.#describe();
  }

  async #describe() {
    const id = at("graph").value;
    if (!id) return;
    at("run-input").setAttribute("aria-busy", "true");
    try {
      const schemas = await json(`assistants/${encodeURIComponent(id)}/schemas`);
      if (at("graph").value === id) this.input.setSchema(schemas.input_schema);
    } catch (error) {
      this.failed(error);
    }
    if (at("graph").value === id) at("run-input").setAttribute("aria-busy", "false");
  }
}

// Fill a list with assistants; what was chosen stays chosen.
export function offered(list, assistants) {
  const before = list.value;
  list.replaceChildren(...assistants.map(option));
  if (assistants.some((one) => one.assistant_id === before)) list.value = before;
}

function option(one) {
  const text = one.name === one.graph_id ? one.name : `${one.name} (${one.graph_id})`;
  return make("option", { value: one.assistant_id, "data-graph": one.graph_id, text });
}

function box(mode, { checked = CHOSEN.has(mode), apart = false } = {}) {
  const element = make("input", { type: "checkbox", id: `mode-${mode}` });
  element.checked = checked;
  return make("label", { name: apart ? "apart" : "" }, element, document.createTextNode(` ${mode}`));
}

function nodes(text) {
  const names = text.split(",").map((name) => name.trim());
  const said = names.filter(Boolean);
  if (said.length === 0) return undefined;
  return said[0] === "*" ? "*" : said;
}
