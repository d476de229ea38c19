import { ComparisonView } from "./comparison.js";
import { turnTheme } from "./theme.js";

const data = JSON.parse(document.getElementById("data").textContent);
const chosen = (place, at) => history.replaceState(null, "", `#${place}.${at}`);
const view = new ComparisonView(data, { chosen });

document.getElementById("comparison").append(view.element);
document.getElementById("theme").addEventListener("click", turnTheme);
document.addEventListener("keydown", (event) => {
  view.pressed(event);
  const typing = event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName);
  if (event.key === "d" && !typing) turnTheme();
});

const [input, run] = location.hash.slice(1).split(".").map(Number);
if (data.cases[input] && Number.isInteger(run)) {
  view.show(input);
  view.select(run, { focus: false });
}
