// Requests to the server that the page came from. Addresses are relative to where the page is, which may be anywhere.

const BASE = new URL("../", import.meta.url);
const PLACE = "lcel-compat.key";
let key = "";
try {
  key = sessionStorage.getItem(PLACE) ?? "";
} catch {
  // Storage is forbidden here: the key is kept for as long as the page is.
}

export class Refused extends Error {
  constructor(status, detail) {
    super(`${status}: ${detail}`);
    this.status = status;
  }
}

export const hasKey = () => key !== "";

export function useKey(value) {
  key = value.trim();
  try {
    if (key) sessionStorage.setItem(PLACE, key);
    else sessionStorage.removeItem(PLACE);
  } catch {
    // As above.
  }
}

// The address that a path means: relative to the page, or, with a slash in front, to the server's root.
export function address(path) {
  const url = new URL(path, BASE);
  if (url.origin !== BASE.origin) throw new Error(`${path} is on another server; the page asks none but its own.`);
  return url;
}

// The answer of an endpoint; with a body it is posted as JSON. Raises Refused for an answer that says no.
export async function ask(path, { body, method = body === undefined ? "GET" : "POST", signal } = {}) {
  const headers = { accept: "application/json, text/event-stream" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["x-api-key"] = key;
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(address(path), { method, headers, body: sent, signal });
  if (!answer.ok) throw new Refused(answer.status, await detail(answer));
  return answer;
}

export async function json(path, options) {
  return (await ask(path, options)).json();
}

async function detail(answer) {
  const text = await answer.text();
  try {
    const said = JSON.parse(text).detail;
    return typeof said === "string" ? said : JSON.stringify(said ?? text);
  } catch {
    return text || answer.statusText;
  }
}

// The server-sent events of an answer as they come: {event, data}, of which `data` is what its JSON says.
export async function* frames(answer) {
  let rest = "";
  let event = "";
  let data = [];
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      // A CR at the end may be half of a line's end.
      const lines = (rest + value).split(/\r\n|\n|\r(?=[^\n])/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("event:")) event = line.slice(6).trimStart();
        if (line.startsWith("data:")) data.push(line.slice(5));
        if (line !== "") continue;
        if (event || data.length) yield { event, data: data.length ? JSON.parse(data.join("\n")) : null };
        event = "";
        data = [];
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// The ids that a run's answer says in Content-Location: {thread, run}.
export function located(answer) {
  const found = /^(?:\/threads\/([^/]+))?\/runs\/([^/]+)/.exec(answer.headers.get("content-location") ?? "");
  return { thread: found?.[1] ?? null, run: found?.[2] ?? null };
}

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
