import { Refused, json } from "./api.js";
import { folded, part, pretty } from "./detail.js";
import { brief, button, make } from "./dom.js";

const MOST = 50;
const at = (id) => document.getElementById(id);

// A thread's checkpoints, the newest first, and what each of them changed.
export class HistoryView {
  constructor({ refused, again }) {
    this.refused = refused;
    this.again = again;
    this.states = [];
    at("history-form").addEventListener("submit", (event) => {
      event.preventDefault();
      location.hash = `#history/${encodeURIComponent(at("history-id").value.trim())}`;
    });
    at("threads-again").addEventListener("click", () => this.list());
    at("older").addEventListener("click", () => this.#load(this.states.at(-1)?.checkpoint_id));
  }

  // Show the view: the threads that there are, and one of them.
  async open(thread) {
    this.list();
    if (!thread) return;
    at("history-id").value = thread;
    this.thread = thread;
    this.states = [];
    at("checkpoint-detail").hidden = true;
    await this.#load();
  }

  async list() {
    try {
      const select = ["thread_id", "status", "metadata", "updated_at"];
      const found = await json("threads/search", {
        body: { limit: MOST, sort_by: "updated_at", sort_order: "desc", select },
      });
      at("threads").replaceChildren(...found.map((one) => this.#pick(one)));
      if (!found.length) at("threads").append(make("li", { name: "quiet", text: "There are none yet." }));
    } catch (error) {
      this.#fail(error);
    }
  }

  #pick(thread) {
    const id = String(thread.thread_id);
    const link = make(
      "a",
      { href: `#history/${encodeURIComponent(id)}`, title: id },
      make("code", { text: id.slice(0, 8) }),
      make("span", { text: thread.metadata?.graph_id ?? "" }),
      make("span", { name: `word word-${word(thread.status)}`, text: thread.status }),
      make("time", { text: moment(thread.updated_at) }),
    );
    if (id === this.thread) link.setAttribute("aria-current", "true");
    return make("li", {}, link);
  }

  async #load(before) {
    const thread = this.thread;
    try {
      const body = {
        limit: MOST,
        ...(before ? { before: { configurable: { thread_id: thread, checkpoint_id: before } } } : {}),
      };
      const found = await json(`threads/${encodeURIComponent(thread)}/history`, { body });
      if (thread !== this.thread) return;
      this.states.push(...found);
      this.#draw(found.length === MOST);
    } catch (error) {
      at("checkpoints").hidden = true;
      at("older").hidden = true;
      this.#fail(error);
    }
  }

  #draw(more) {
    at("history-state").textContent = `${this.thread} · ${this.states.length}${more ? " newest" : ""} checkpoints`;
    at("checkpoints").hidden = this.states.length === 0;
    at("older").hidden = !more;
    at("checkpoints").tBodies[0].replaceChildren(...this.states.map((state) => this.#row(state)));
  }

  #row(state) {
    const changes = changed(this.#parent(state)?.values, state.values);
    const step = button(String(state.metadata?.step ?? "?"), () => this.#choose(state, row), { name: "plain" });
    step.setAttribute("aria-label", `step ${state.metadata?.step}`);
    const names = changes.map((one) => one.key).join(", ");
    const cells = [
      step,
      state.metadata?.source ?? "",
      (state.next ?? []).join(", ") || "end",
      names || "nothing",
      moment(state.created_at),
    ];
    const row = make(
      "tr",
      {},
      ...cells.map((cell) => (typeof cell === "string" ? make("td", { text: cell }) : make("td", {}, cell))),
    );
    if (interrupts(state).length) row.children[2].append(make("span", { name: "badge changed", text: "asks" }));
    row.addEventListener("click", (event) => {
      if (event.target !== step) this.#choose(state, row);
    });
    return row;
  }

  #parent(state) {
    const id = state.parent_checkpoint_id ?? state.parent_checkpoint?.checkpoint_id;
    return id ? this.states.find((one) => one.checkpoint_id === id) : undefined;
  }

  #choose(state, row) {
    for (const other of at("checkpoints").tBodies[0].rows) other.toggleAttribute("data-chosen", other === row);
    const parent = this.#parent(state);
    const changes = changed(parent?.values, state.values);
    const run = button("Run again from here", () => this.#again(state), { name: "primary" });
    at("checkpoint-detail").replaceChildren(
      make("h2", { text: `Step ${state.metadata?.step}` }),
      make("p", { name: "quiet code", text: state.checkpoint_id }),
      run,
      make("h3", { text: parent ? "Changed since the step before" : "Values" }),
      ...(changes.length ? changes.map(change) : [make("p", { name: "quiet", text: "Nothing." })]),
      ...interrupts(state).flatMap((one) => part("Asks", one.value)),
      ...(state.tasks ?? []).filter((task) => task.error).flatMap((task) => part(`${task.name} failed`, task.error)),
      folded("All values", state.values),
      folded("Tasks", state.tasks),
      folded("Metadata", state.metadata),
    );
    at("checkpoint-detail").hidden = false;
  }

  #again(state) {
    const { assistant_id: id, graph_id: graph } = state.metadata ?? {};
    this.again({ thread: this.thread, checkpoint: state.checkpoint_id, assistant: [id, graph] });
  }

  #fail(error) {
    at("history-state").textContent = error.message;
    if (error instanceof Refused) this.refused(error);
  }
}

const interrupts = (state) => (state.tasks ?? []).flatMap((task) => task.interrupts ?? []);

const word = (status) => (/^\w+$/.test(status) ? status : "other");

function moment(text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return String(text ?? "");
  const today = time.toDateString() === new Date().toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleString();
}

// Which keys differ from the values before: of a list that only grew, what was added.
function changed(before, after) {
  const [old, now] = [before ?? {}, after ?? {}];
  const keys = [...new Set([...Object.keys(now), ...Object.keys(old)])];
  return keys.filter((key) => !same(old[key], now[key])).map((key) => difference(key, old[key], now[key]));
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function difference(key, old, now) {
  const grew = Array.isArray(old) && Array.isArray(now) && old.length > 0 && same(old, now.slice(0, old.length));
  return grew ? { key, is: now.slice(old.length), grew } : { key, was: old, is: now };
}

function change({ key, was, is, grew }) {
  return make(
    "div",
    { name: "change" },
    make("b", { text: key }),
    grew ? make("small", { name: "quiet", text: " more:" }) : null,
    was === undefined ? null : make("pre", { name: "was", text: `− ${brief(pretty(was), 2000)}` }),
    make("pre", { name: "is", text: is === undefined ? "gone" : `+ ${brief(pretty(is), 2000)}` }),
  );
}
