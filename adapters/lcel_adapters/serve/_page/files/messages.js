import { duration, make } from "./dom.js";
import { said } from "./events.js";

// Messages that grow as their chunks come: those of the mode "messages-tuple" by what is new, those of "messages" by
// what was said so far.
export class Messages {
  constructor(element) {
    this.element = element;
    this.known = new Map();
    this.metadata = new Map();
  }

  add(name, namespace, data, ms) {
    if (name === "messages/metadata") {
      for (const [id, { metadata }] of Object.entries(data)) this.metadata.set(id, metadata);
      return;
    }
    const isWhole = name.startsWith("messages/");
    const [message, metadata] = isWhole ? [data[0], this.metadata.get(data[0]?.id)] : data;
    if (!message) return;
    const card = this.#card(message, metadata ?? {}, namespace, ms);
    if (isWhole || !message.type?.endsWith("Chunk")) card.replace(message);
    else card.append(message);
  }

  #card(message, metadata, namespace, ms) {
    const key = JSON.stringify([message.id, namespace]);
    if (!this.known.has(key)) {
      const card = new Card(message, metadata, namespace, ms);
      this.known.set(key, card);
      this.element.append(card.element);
    }
    return this.known.get(key);
  }
}

class Card {
  constructor(message, metadata, namespace, ms) {
    this.text = document.createTextNode("");
    this.calls = make("pre", { name: "calls" });
    this.calls.hidden = true;
    this.arguments = [];
    const type = (message.type ?? "message").replace(/MessageChunk$/, "").toLowerCase();
    const where = [...namespace.map((part) => part.split(":")[0]), metadata.langgraph_node].filter(Boolean);
    const head = make(
      "p",
      { name: "quiet" },
      make("span", { name: "at", text: duration(ms) }),
      make("b", { text: message.name ? `${type} ${message.name}` : type }),
      where.length ? make("span", { name: "where", text: [...new Set(where)].join("/") }) : null,
    );
    this.element = make(
      "li",
      { name: `message from-${/^\w+$/.test(type) ? type : "other"}` },
      head,
      make("p", { name: "text" }, this.text),
      this.calls,
    );
  }

  replace(message) {
    const text = said(message);
    // Mostly it is the same and more.
    if (text.startsWith(this.text.data)) this.text.appendData(text.slice(this.text.data.length));
    else this.text.data = text;
    this.#show(message.tool_calls?.map((call) => `${call.name}(${JSON.stringify(call.args)})`) ?? []);
  }

  append(chunk) {
    this.text.appendData(said(chunk));
    for (const part of chunk.tool_call_chunks ?? []) {
      const at = part.index ?? this.arguments.length;
      const before = this.arguments[at] ?? { name: "", args: "" };
      this.arguments[at] = { name: before.name + (part.name ?? ""), args: before.args + (part.args ?? "") };
    }
    if (this.arguments.length) this.#show(this.arguments.map((call) => `${call.name}(${call.args})`));
  }

  #show(lines) {
    this.calls.hidden = lines.length === 0;
    this.calls.textContent = lines.join("\n");
  }
}
