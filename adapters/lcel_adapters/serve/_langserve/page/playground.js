// A page on which one tries a route. It knows its route by what the server wrote into the page, and asks it by relative
// addresses: the page is at <route>/playground/.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const chat = data.kind === "chat";
const history = [];
let stopping = null;
let run = null;

// What an input may look like, out of its schema.
function sample(schema, root = schema, depth = 0) {
  if (depth > 8) return null;
  if (schema.$ref) return sample(root.$defs[schema.$ref.split("/").pop()], root, depth + 1);
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return sample(choices[0], root, depth + 1);
  if (schema.type === "object" || schema.properties) {
    const wanted = schema.required ?? Object.keys(schema.properties ?? {});
    return Object.fromEntries(wanted.map((key) => [key, sample(schema.properties?.[key] ?? {}, root, depth + 1)]));
  }
  return { array: [], string: "", integer: 0, number: 0, boolean: false }[schema.type] ?? null;
}

// The list of messages is the input itself, or a key of it.
function messages() {
  let schema = data.input_schema;
  if (schema.$ref) schema = schema.$defs[schema.$ref.split("/").pop()];
  const keys = Object.keys(schema.properties ?? {});
  if (!keys.length) return history;
  return { [keys.find((key) => schema.properties[key].type === "array") ?? keys[0]]: history };
}

function body() {
  const config = at("config").value.trim();
  return JSON.stringify({
    input: chat ? messages() : JSON.parse(at("input").value),
    config: config ? JSON.parse(config) : {},
  });
}

async function post(endpoint, signal) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`../${endpoint}`, { method: "POST", headers, body: body(), signal });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer;
}

// The frames of a stream, as they come.
async function* frames(answer) {
  let rest = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\r\n\r\n");
    rest = parts.pop();
    for (const part of parts) {
      const fields = part.split("\r\n").map((line) => line.split(/: ?(.*)/s, 2));
      yield Object.fromEntries(fields);
    }
  }
}

// Chunks add up as the runnable's own do: texts and messages to the one before, dicts key by key.
function sum(whole, chunk) {
  if (whole === undefined || whole === null) return chunk;
  if (typeof whole === "string" && typeof chunk === "string") return whole + chunk;
  if (Array.isArray(whole) && Array.isArray(chunk)) return [...whole, ...chunk];
  if (typeof whole === "object" && typeof chunk === "object" && chunk !== null) {
    if ("content" in whole && "content" in chunk) return { ...chunk, content: sum(whole.content, chunk.content) };
    const merged = { ...whole };
    for (const [key, value] of Object.entries(chunk)) merged[key] = sum(whole[key], value);
    return merged;
  }
  return chunk;
}

const said = (output) => {
  const last = Array.isArray(output?.messages) ? output.messages.at(-1) : output;
  return text(last?.content ?? last);
};

function show(output) {
  at("output").textContent = chat ? said(output) : text(output);
}

async function streamed(signal) {
  let whole;
  for await (const frame of frames(await post("stream", signal))) {
    if (frame.event === "metadata") run = JSON.parse(frame.data).run_id;
    if (frame.event === "error") throw new Error(JSON.parse(frame.data).message);
    if (frame.event !== "data") continue;
    whole = sum(whole, JSON.parse(frame.data));
    show(whole);
  }
  return whole;
}

async function invoked(signal) {
  const { output, metadata } = await (await post("invoke", signal)).json();
  run = metadata.run_id;
  show(output);
  return output;
}

function speak(type, content) {
  history.push({ type, content });
  const line = document.createElement("li");
  line.dataset.type = type;
  line.textContent = content;
  at("talk").append(line);
}

// What failed was not said: the next question must not come behind one without an answer.
function takeBack() {
  at("line").value = history.pop().content;
  at("talk").lastElementChild.remove();
}

async function ask(how) {
  if (chat) {
    speak("human", at("line").value);
    at("line").value = "";
  }
  stopping = new AbortController();
  busy(true);
  at("state").textContent = "Running";
  at("output").textContent = "";
  run = null;
  try {
    const output = await how(stopping.signal);
    if (chat) speak("ai", said(output));
    at("state").textContent = "Done";
  } catch (error) {
    const stopped = error.name === "AbortError";
    if (chat) takeBack();
    at("state").textContent = stopped ? "Stopped" : "Failed";
    if (!stopped) at("output").textContent += `\n${error.message}`;
    at("output").toggleAttribute("data-failed", !stopped);
  }
  busy(false);
}

function busy(on) {
  for (const id of ["stream", "invoke", "clear"]) at(id).disabled = on;
  at("stop").disabled = !on;
  if (on) at("output").removeAttribute("data-failed");
  at("after").hidden = on || !run;
}

async function judge(score) {
  const headers = { "content-type": "application/json" };
  const given = JSON.stringify({ run_id: run, key: "user_score", score });
  const answer = await fetch("../feedback", { method: "POST", headers, body: given });
  at("state").textContent = answer.ok ? "Thank you" : `Not taken: ${answer.status}`;
}

async function share() {
  const headers = { "content-type": "application/json" };
  const answer = await fetch("../public_trace_link", { method: "PUT", headers, body: JSON.stringify({ run_id: run }) });
  if (!answer.ok) {
    at("state").textContent = `Not shared: ${answer.status}`;
    return;
  }
  const url = new URL((await answer.json()).public_url);
  if (!/^https?:$/.test(url.protocol)) return;
  at("shared").href = url;
  at("shared").hidden = false;
}

at("asking").hidden = chat;
at("talking").hidden = !chat;
at("clear").hidden = !chat;
at("input").value = text(sample(data.input_schema) ?? "");
if (typeof sample(data.input_schema) === "string") at("input").value = '""';
if (Object.keys(data.config).length) at("config").value = text(data.config);
at("configuring").hidden = !data.config_schema.properties || !Object.keys(data.config_schema.properties).length;
for (const name of ["input_schema", "output_schema", "config_schema"]) at(name).textContent = text(data[name]);
for (const name of ["stream", "invoke"]) at(name).hidden = !data.endpoints.includes(name);
at("good").hidden = at("bad").hidden = !data.feedback;
at("share").hidden = !data.public_trace_link;

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(data.endpoints.includes("stream") ? streamed : invoked);
});
at("invoke").addEventListener("click", () => ask(invoked));
at("stop").addEventListener("click", () => stopping?.abort());
at("clear").addEventListener("click", () => {
  history.length = 0;
  at("talk").replaceChildren();
});
at("good").addEventListener("click", () => judge(1));
at("bad").addEventListener("click", () => judge(0));
at("share").addEventListener("click", share);
