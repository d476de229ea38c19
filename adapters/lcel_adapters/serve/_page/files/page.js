import { hasKey, json, useKey } from "./api.js";
import { CompareView } from "./compare.js";
import { HistoryView } from "./history.js";
import { RunView } from "./run.js";
import { turnTheme } from "./theme.js";

const at = (id) => document.getElementById(id);
const VIEWS = ["run", "history", "compare"];

const run = new RunView({ refused });
const compare = new CompareView({ refused });
const history = new HistoryView({
  refused,
  again(wanted) {
    location.hash = "#run";
    show();
    run.again(wanted);
  },
});

// The server wants a key, or another one.
function refused(error) {
  if (error.status !== 401) return;
  at("trouble").textContent = "The server wants an API key.";
  at("trouble").hidden = false;
  at("access").open = true;
  at("key").focus();
}

async function load() {
  at("trouble").hidden = true;
  at("has-key").hidden = !hasKey();
  try {
    const found = await json("assistants/search", { body: { limit: 1000, sort_by: "name", sort_order: "asc" } });
    run.offer(found);
    compare.offer(found);
    if (!found.length) trouble("The server serves no graph.");
  } catch (error) {
    trouble(`The graphs cannot be listed: ${error.message}`);
    refused(error);
  }
}

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = false;
}

// The view that the address names; `#history/ID` is a thread's.
function show() {
  const [name, thread] = location.hash.slice(1).split("/");
  const view = VIEWS.includes(name) ? name : "run";
  for (const one of VIEWS) at(`view-${one}`).hidden = one !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "history") history.open(thread && decodeURIComponent(thread));
  if (view === "compare") compare.open();
}

at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value);
  at("key").value = "";
  at("access").open = false;
  load();
  show();
});
at("theme").addEventListener("click", turnTheme);
addEventListener("hashchange", show);
show();
load();
