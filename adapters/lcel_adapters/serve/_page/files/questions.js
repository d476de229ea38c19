import { button, make } from "./dom.js";
import { pretty } from "./detail.js";

// The interrupts of a run, and fields to answer them.
export class Questions {
  constructor(element, { answered, goOn }) {
    this.element = element;
    this.answered = answered;
    this.goOn = goOn;
  }

  clear() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  // Show what is asked. Without a thread there is nothing to go on with.
  ask(interrupts, onThread) {
    const asked = interrupts.map((one) => ({ id: one.id, box: box(), value: one.value }));
    const form = make("form", {}, ...asked.map((one, at) => question(one, asked.length > 1 ? ` ${at + 1}` : "")));
    form.append(
      onThread
        ? make("p", { name: "actions" }, make("button", { type: "submit", name: "primary", text: "Resume" }))
        : make("p", {
            name: "quiet",
            text: "Only a run on a thread can be answered: choose a new thread, and run again.",
          }),
    );
    for (const one of asked) one.box.disabled = !onThread;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.answered(answers(asked));
    });
    this.#show(make("h2", { text: "The graph asks" }), form);
  }

  // Show that a run paused, without a question.
  paused(next) {
    const text = `Paused before ${next.join(", ")}.`;
    this.#show(make("p", { name: "actions" }, make("span", { text }), button("Go on", this.goOn, { name: "primary" })));
  }

  #show(...children) {
    this.element.replaceChildren(...children);
    this.element.hidden = false;
  }
}

const box = () => make("textarea", { name: "answer", rows: 1, spellcheck: "false" });

function question({ value, box: field }, number) {
  return make(
    "label",
    { name: "field" },
    make("pre", { text: pretty(value) }),
    document.createTextNode(`Answer${number}`),
    field,
    make("small", { name: "quiet", text: "JSON; what is none is sent as text." }),
  );
}

// One answer is given as it is, several by the interrupts' ids.
function answers(asked) {
  if (asked.length === 1) return parsed(asked[0].box.value);
  return Object.fromEntries(asked.map((one) => [one.id, parsed(one.box.value)]));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
