import { button, make } from "./dom.js";

const HUMAN = "Text is sent as a human message; or a list of messages, as JSON.";

// An input as fields of its schema's first level, or as JSON.
export class InputEditor {
  constructor(element) {
    this.schema = {};
    this.fields = [];
    this.asJson = false;
    this.turn = button("as JSON", () => this.#turn(), { name: "plain turn" });
    this.form = make("div", { name: "fields" });
    this.text = make("textarea", { name: "code", rows: 5, spellcheck: "false", "aria-label": "input, as JSON" });
    const set = make("fieldset", {}, make("legend", { text: "Input" }), this.turn, this.form, this.text);
    element.replaceChildren(set);
    this.#show();
  }

  // Take a schema; what was typed into fields of the same names stays, and so does who types.
  setSchema(schema) {
    if (JSON.stringify(schema ?? {}) === JSON.stringify(this.schema)) return;
    const typing = this.fields.find((one) => one.box === document.activeElement);
    const before = new Map(this.fields.map((one) => [one.key, one.box.value]));
    this.schema = schema ?? {};
    this.fields = fieldsOf(this.schema);
    for (const one of this.fields) one.box.value = before.get(one.key) ?? one.box.value;
    this.form.replaceChildren(...this.fields.map((one) => one.element));
    this.#show();
    if (typing) this.fields.find((one) => one.key === typing.key)?.box.focus();
  }

  // What was put in; undefined if that is nothing. Raises SyntaxError for what is no JSON.
  get value() {
    return this.#asJson ? read(this.text.value, "the input") : this.#ofFields();
  }

  clear() {
    this.text.value = "";
    for (const one of this.fields) one.box.value = "";
  }

  get #asJson() {
    return this.asJson || this.fields.length === 0;
  }

  #ofFields() {
    if (this.fields[0]?.key === null) return this.fields[0].read();
    const pairs = this.fields.map((one) => [one.key, one.read()]).filter(([, value]) => value !== undefined);
    return pairs.length ? Object.fromEntries(pairs) : undefined;
  }

  #turn() {
    try {
      if (this.#asJson) this.#fill(read(this.text.value, "the input"));
      else this.text.value = JSON.stringify(this.#ofFields() ?? {}, null, 2);
    } catch {
      // What cannot be read stays where it is.
    }
    this.asJson = !this.asJson;
    this.#show();
  }

  #fill(value) {
    for (const one of this.fields) {
      const part = one.key === null ? value : value?.[one.key];
      if (part !== undefined) one.box.value = typeof part === "string" ? part : JSON.stringify(part);
    }
  }

  #show() {
    this.form.hidden = this.#asJson;
    this.text.hidden = !this.#asJson;
    this.turn.hidden = this.fields.length === 0;
    this.turn.textContent = this.#asJson ? "as fields" : "as JSON";
  }
}

// What JSON says; undefined for none. The error names what it was.
export function read(text, what) {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`${what} is no JSON: ${error.message}`);
  }
}

function fieldsOf(schema) {
  const whole = resolved(schema, schema);
  if (whole.type === "string") return [field(null, { title: whole.title ?? "text", ...whole }, schema, true)];
  const wanted = new Set(whole.required ?? []);
  return Object.entries(whole.properties ?? {}).map(([key, part]) => field(key, part, schema, wanted.has(key)));
}

function field(key, part, root, required) {
  const kind = kindOf(resolved(part, root), key);
  const box = kind.box();
  if (part.default !== undefined && part.default !== null)
    box.value = typeof part.default === "string" ? part.default : JSON.stringify(part.default);
  const title = key ?? part.title;
  const notes = [part.description, kind.hint].filter(Boolean).join(" ");
  const element = make(
    "label",
    { name: "field" },
    document.createTextNode(title),
    required ? make("abbr", { text: "*", title: "required" }) : null,
    box,
  );
  if (notes) element.append(make("small", { name: "quiet", text: notes }));
  return { key, box, element, read: () => kind.read(box.value, title) };
}

function kindOf(part, key) {
  if (part.enum) return { box: () => choice(part.enum.map((value) => JSON.stringify(value))), read: asJson };
  if (part.type === "boolean") return { box: () => choice(["true", "false"]), read: asJson };
  if (part.type === "integer" || part.type === "number") {
    return { box: () => make("input", { type: "number", step: part.type === "integer" ? "1" : "any" }), read: asJson };
  }
  if (part.type === "string") return { box: () => area(), read: (text) => (text === "" ? undefined : text) };
  if (part.type === "array" && key === "messages") return { box: () => area(), read: messages, hint: HUMAN };
  return { box: () => area("JSON"), read: asJson };
}

const asJson = (text, title) => read(text, title);

function messages(text, title) {
  if (text.trim() === "") return undefined;
  return /^\s*\[/.test(text) ? read(text, title) : [{ type: "human", content: text }];
}

const area = (placeholder = "") => make("textarea", { rows: 1, spellcheck: "false", placeholder });

function choice(values) {
  return make(
    "select",
    {},
    make("option", { value: "", text: "–" }),
    ...values.map((text) => make("option", { value: text, text })),
  );
}

// What a schema says once references are followed, and null is left out of what may be.
function resolved(part, root, depth = 0) {
  if (depth > 8 || !part) return {};
  if (part.$ref) return resolved(root.$defs?.[part.$ref.split("/").pop()], root, depth + 1);
  const choices = (part.anyOf ?? part.oneOf ?? [])
    .map((one) => resolved(one, root, depth + 1))
    .filter((one) => one.type !== "null");
  return choices.length === 1 ? { ...choices[0], title: part.title } : part;
}
