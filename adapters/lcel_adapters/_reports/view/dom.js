// What comes out of events or from a server becomes text here: no markup is ever parsed from it.

// An element. `text` and `name` (its class) are no attributes; what is missing among the children is left out.
export function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  const { text, name, ...attributes } = options;
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function button(text, pressed, options = {}) {
  const element = make("button", { type: "button", text, ...options });
  element.addEventListener("click", pressed);
  return element;
}

export function brief(text, most = 160) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

// A duration as it is read best: three figures, not more.
export function duration(ms) {
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(ms >= 10_000 ? 1 : 2)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms.toFixed(1)} ms`;
}

// A place on an axis or the length of a stretch, in the axis's unit: "ms", or "events" where there are no times.
export function measure(value, unit) {
  return unit === "ms" ? duration(value) : `#${Math.round(value)}`;
}
