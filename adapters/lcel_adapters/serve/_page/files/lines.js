import { brief } from "./dom.js";

// What one line says of a frame, by its mode: [head, rest].
const short = (value) => brief(JSON.stringify(value) ?? "", 400);

const summaries = {
  updates: (data) => one(data) ?? ["", short(data)],
  tasks: (data) => ("input" in data ? [data.name, `starts ${short(data.input)}`] : [data.name, ended(data)]),
  checkpoints: (data) => [
    `step ${data.metadata?.step}`,
    `${data.metadata?.source} → ${(data.next ?? []).join(", ") || "end"}`,
  ],
  debug: (data) => [`step ${data.step}`, `${data.type} ${data.payload?.name ?? ""} ${short(data.payload)}`],
  events: (data) => [data.event, `${data.name} ${short(data.data)}`],
};

export function summary(mode, data) {
  try {
    return (summaries[mode] ?? ((value) => ["", short(value)]))(data);
  } catch {
    return ["", short(data)];
  }
}

function one(data) {
  const keys = Object.keys(data ?? {});
  return keys.length === 1 ? [keys[0], short(data[keys[0]])] : null;
}

function ended(task) {
  if (task.error) return `fails ${short(task.error)}`;
  return task.interrupts?.length ? `asks ${short(task.interrupts)}` : `gives ${short(task.result)}`;
}
