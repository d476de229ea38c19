import { Refused, address, ask, frames, json } from "./api.js";
import { ComparisonView } from "./comparison.js";
import { make } from "./dom.js";
import { offered } from "./form.js";
import { InputEditor } from "./input.js";
import { LiveTree, ticking } from "./live.js";

const at = (id) => document.getElementById(id);
const WORDS = {
  same: "no consumer would notice",
  changed: "it can be seen, and no known consumer depends on it",
  breaking: "consumers would notice",
};

// Runs a LangServe route and a graph on one input; the server says what differs.
export class CompareView {
  constructor({ refused }) {
    this.refused = refused;
    this.input = new InputEditor(at("compare-input"));
    this.sides = [new Recorded("before"), new Recorded("after")];
    at("compare-live").append(...this.sides.map((side) => side.live.element));
    at("compare-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    at("compare-cancel").addEventListener("click", () => this.running?.abort());
    for (const id of ["route", "compare-graph"]) at(id).addEventListener("change", () => this.#describe());
    document.addEventListener("keydown", (event) => {
      if (!at("view-compare").hidden) this.view?.pressed(event);
    });
  }

  offer(assistants) {
    offered(at("compare-graph"), assistants);
    if (this.ready) this.#describe();
  }

  // Say which routes there are, as far as the server's own document tells.
  async open() {
    if (this.opened) return;
    this.opened = true;
    try {
      const { paths } = await json("openapi.json");
      const streaming = Object.keys(paths).filter((path) => /\/stream_events$/.test(path) && !path.includes("{"));
      const routes = streaming.map((path) => address(`.${path.replace(/\/stream_events$/, "")}`).pathname);
      at("routes").replaceChildren(...routes.map((value) => make("option", { value })));
      if (routes.length && !at("route").value) at("route").value = routes[0];
    } catch {
      // Whoever knows the route types it.
    }
    this.ready = true;
    this.#describe();
  }

  // The input is the legacy one; where the route says nothing of it, the graph's.
  async #describe() {
    const wanted = [at("route").value, at("compare-graph").value].join(" ");
    if (!at("compare-graph").value || this.described === wanted) return;
    this.described = wanted;
    at("compare-input").setAttribute("aria-busy", "true");
    const schema =
      (at("route").value && (await found(() => json(this.#route("input_schema"))))) ||
      (await found(() => json(`assistants/${encodeURIComponent(at("compare-graph").value)}/schemas`)))?.input_schema;
    if (this.described !== wanted) return;
    this.input.setSchema(schema);
    at("compare-input").setAttribute("aria-busy", "false");
  }

  #route(endpoint) {
    return address(`${at("route").value.trim().replace(/\/+$/, "")}/${endpoint}`);
  }

  async #start() {
    if (this.running) return;
    this.#fail(null);
    let input;
    try {
      input = this.input.value ?? {};
      this.running = new AbortController();
      this.#begin();
      await this.#both(input, this.running.signal);
    } catch (error) {
      if (error.name === "AbortError") this.#say("Cancelled.");
      else this.#fail(error);
    }
    this.#over();
  }

  #begin() {
    at("compared").replaceChildren();
    at("compare-live").hidden = false;
    at("compare-start").disabled = true;
    at("compare-cancel").disabled = false;
    this.view = null;
    for (const side of this.sides) side.begin();
    this.stopTicking = ticking(() => this.sides.forEach((side) => side.live.draw()));
  }

  #over() {
    this.stopTicking?.();
    this.running = null;
    at("compare-start").disabled = false;
    at("compare-cancel").disabled = true;
  }

  async #both(input, signal) {
    const [before, after] = this.sides;
    const graph = { assistant_id: at("compare-graph").value, input, stream_mode: ["events"], on_disconnect: "cancel" };
    // One after the other: at the same time, each would take the other's time.
    this.#say(`Running ${at("route").value} …`);
    await before.follow(() => ask(this.#route("stream_events"), { body: { input }, signal }), "data");
    this.#say(`Running ${at("compare-graph").selectedOptions[0].textContent} …`);
    await after.follow(() => ask("runs/stream", { body: graph, signal }), "events");
    this.#say("Comparing …");
    this.#show(await json("page/compare", { body: { before: before.sent, after: after.sent }, signal }));
  }

  #show(found) {
    const [before, after] = found.events;
    at("compare-state").replaceChildren(
      make("span", { name: `verdict ${found.verdict}`, text: found.verdict }),
      document.createTextNode(
        ` ${WORDS[found.verdict]} · ${before} events before, ${after} after · ${found.findings.length} findings`,
      ),
    );
    this.view = new ComparisonView(found);
    at("compare-live").hidden = true;
    at("compared").replaceChildren(this.view.element);
  }

  #say(text) {
    at("compare-state").textContent = text;
  }

  #fail(error) {
    at("compare-failure").textContent = error?.message ?? "";
    at("compare-failure").hidden = !error;
    if (error) this.#say("Not compared.");
    if (error instanceof Refused) this.refused(error);
  }
}

// What a request gives; undefined if it is refused.
async function found(request) {
  try {
    return await request();
  } catch {
    return undefined;
  }
}

// One side: its events as they came, kept for the comparison.
class Recorded {
  constructor(side) {
    this.live = new LiveTree({ id: `compare-${side}`, label: `runs ${side}`, side });
    this.begin();
  }

  begin() {
    this.live.clear();
    this.sent = { events: [], times: [], error: null };
  }

  async follow(request, name) {
    this.begin();
    for await (const { event, data } of frames(await request())) {
      if (event === "error")
        this.sent.error = { error: data.error ?? String(data.status_code ?? ""), message: data.message ?? "" };
      if (event !== name) continue;
      this.sent.events.push(data);
      this.sent.times.push(this.live.elapsed);
      this.live.add(data);
    }
    this.live.end(this.sent.error ? "failed" : "cut");
  }
}
