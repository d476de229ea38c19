import { Refused, ask, frames, json, located } from "./api.js";
import { detail } from "./detail.js";
import { brief, duration, make } from "./dom.js";
import { RunForm } from "./form.js";
import { LiveTree, ticking } from "./live.js";
import { Panes } from "./panes.js";
import { Questions } from "./questions.js";

const at = (id) => document.getElementById(id);

// Runs a graph, and shows what it streams.
export class RunView {
  constructor({ refused }) {
    this.refused = refused;
    this.form = new RunForm({ wanted: () => this.#start(), failed: (error) => this.#say(error) });
    this.panes = new Panes(at("panes"));
    this.live = new LiveTree({ id: "run-tree", label: "runs", side: "", chosen: (run) => this.#choose(run) });
    this.questions = new Questions(at("questions"), {
      answered: (resume) => this.#goOn({ command: { resume } }),
      goOn: () => this.#goOn({ input: null }),
    });
    at("live-tree").append(this.live.element);
    at("cancel").addEventListener("click", () => this.#cancel());
    for (const radio of document.querySelectorAll("input[name=axis]")) {
      radio.addEventListener("change", () => this.live.by(radio.value));
    }
  }

  offer(assistants) {
    this.form.offer(assistants);
  }

  again(wanted) {
    this.form.again(wanted);
  }

  #start() {
    this.#run(() => {
      const thread = this.form.thread();
      return [this.form.body(thread), thread];
    });
  }

  #goOn(steps) {
    this.#run(() => [this.form.steering(this.run, steps), this.run.thread]);
  }

  async #run(request) {
    if (this.running) return;
    this.#say(null);
    let body;
    let thread;
    try {
      [body, thread] = request();
    } catch (error) {
      this.#say(error);
      return;
    }
    this.#begin(body, thread);
    await this.#follow(body, thread);
    await this.#end();
  }

  #begin(body, thread) {
    const assistant = body.assistant_id;
    this.run = { thread, assistant, id: null, frames: 0, failed: false, cancelled: false, interrupts: [] };
    this.running = new AbortController();
    this.chosen = null;
    this.live.clear();
    this.questions.clear();
    this.panes.open(body.stream_mode);
    at("live").hidden = !body.stream_mode.includes("events");
    at("detail").hidden = true;
    this.form.forgetCheckpoint();
    this.form.busy = true;
    this.stopTicking = ticking(() => this.#tick());
  }

  async #follow(body, thread) {
    try {
      const path = thread ? `threads/${encodeURIComponent(thread)}/runs/stream` : "runs/stream";
      const answer = await ask(path, { body, signal: this.running.signal });
      this.run.id = located(answer).run;
      if (thread) this.form.useThread(thread);
      for await (const { event, data } of frames(answer)) this.#take(event, data);
    } catch (error) {
      if (error.name !== "AbortError") this.#fail(error);
    }
  }

  #take(event, data) {
    this.run.frames += 1;
    if (event === "events") this.live.add(data);
    if (event === "error") this.#fail(new Error(`${data.error}: ${data.message}`));
    // Of graphs inside, the graph itself tells again.
    if (event === "values" || event === "updates") this.run.interrupts.push(...(data?.__interrupt__ ?? []));
    this.panes.add(event, data, this.live.elapsed);
  }

  #tick() {
    this.panes.flush();
    if (!at("live").hidden) this.live.draw();
    this.#state("running");
    this.#drawDetail();
  }

  async #end() {
    this.stopTicking();
    this.live.end(this.run.failed ? "failed" : "cut");
    this.panes.flush();
    this.#drawDetail();
    const asked = this.run.failed || this.run.cancelled ? { interrupts: [], next: [] } : await this.#asked();
    this.running = null;
    this.form.busy = false;
    this.#state(this.#outcome(asked));
    if (asked.interrupts.length) this.questions.ask(asked.interrupts, Boolean(this.run.thread));
    else if (asked.next.length) this.questions.paused(asked.next);
  }

  #outcome({ interrupts, next }) {
    if (this.run.failed) return "failed";
    if (this.run.cancelled) return "cancelled";
    return interrupts.length || next.length ? "interrupted" : "done";
  }

  // What the thread waits for. Not every mode tells; its state does.
  async #asked() {
    const told = { interrupts: [...new Map(this.run.interrupts.map((one) => [one.id, one])).values()], next: [] };
    if (!this.run.thread || !this.run.id) return told;
    try {
      const state = await json(`threads/${encodeURIComponent(this.run.thread)}/state`);
      return { interrupts: state.tasks.flatMap((task) => task.interrupts ?? []), next: state.next ?? [] };
    } catch {
      return told;
    }
  }

  async #cancel() {
    this.run.cancelled = true;
    at("cancel").disabled = true;
    const { thread, id } = this.run;
    try {
      if (!thread || !id) throw new Error("only its request can be ended");
      await ask(`threads/${encodeURIComponent(thread)}/runs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
    } catch {
      this.running?.abort();
    }
  }

  // One word is read out when it changes, the figures behind it are not.
  #state(word) {
    if (this.said !== word) {
      const badge = make("span", { name: `badge word-${word}`, text: word });
      at("run-state").replaceChildren(badge, make("span", { "aria-live": "off" }));
      this.said = word;
    }
    at("run-state").lastElementChild.textContent = ` ${this.#figures().filter(Boolean).join(" · ")}`;
  }

  #figures() {
    const { id, thread, frames: count } = this.run;
    return [
      duration(this.live.elapsed),
      this.live.first !== null && `first event after ${duration(this.live.first)}`,
      `${count} frames`,
      id && `run ${brief(id, 14)}`,
      thread && `thread ${brief(thread, 14)}`,
    ];
  }

  #choose(run) {
    this.chosen = { run, version: -1 };
    at("detail").hidden = false;
    this.#drawDetail();
  }

  #drawDetail() {
    if (!this.chosen || this.chosen.version === this.chosen.run.version) return;
    this.chosen.version = this.chosen.run.version;
    at("detail").replaceChildren(...detail(this.chosen.run));
  }

  #fail(error) {
    this.run.failed = true;
    this.#say(error);
  }

  #say(error) {
    at("failure").textContent = error?.message ?? "";
    at("failure").hidden = !error;
    if (error instanceof Refused) this.refused(error);
  }
}
