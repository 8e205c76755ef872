// The map of an archive: plotly, from disk, drawn from the data that Python sends; a click opens the study.

import { openStudy } from "./page.js";
import { only } from "./studies.js";
import { goTab } from "./tab_bar.js";

let loading = null;

/** Load plotly once, from our own server. */
function plotly(base) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading = loading || new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${base}/archive/plotly.js`;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly"));
    document.head.append(script);
  });
  return loading;
}

const AXIS = { showgrid: false, zeroline: false, showticklabels: false, title: { text: "" } };
const LAYOUT = {
  paper_bgcolor: "#12161a", plot_bgcolor: "#0c0f12", font: { color: "#e8ecef", size: 13, family: "system-ui, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif" }, autosize: true,
  margin: { l: 10, r: 10, t: 10, b: 10 }, xaxis: AXIS, yaxis: AXIS, hovermode: "closest", dragmode: "pan",
  legend: { bgcolor: "#12161a", bordercolor: "#38434d", borderwidth: 1, itemsizing: "constant" },
  hoverlabel: { bgcolor: "#232b33", bordercolor: "#7cc4f0", font: { color: "#e8ecef" } },
};

/** Offer the studies within a lasso as a list to look through, sort and search. */
function chosen(root, keys) {
  if (root.previousElementSibling?.matches(".rs-map-chosen")) root.previousElementSibling.remove();
  if (!keys.length) return;
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "rs-press rs-press-first", textContent: root.dataset.list.replace("{count}", keys.length) });
  button.addEventListener("click", () => (only(keys), goTab("studies")));
  const place = document.createElement("p");
  place.className = "rs-map-chosen";
  place.append(button);
  root.before(place);
}

/** Draw `value` ({traces, label, sorry}) in an element; null clears it. */
export async function draw(root, base, value) {
  root.hidden = !value;
  if (!value) return;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", value.label);
  root.dataset.list = value.list;
  try {
    const Plotly = await plotly(base);
    const options = { displaylogo: false, responsive: true, scrollZoom: true, showTips: false,
      modeBarButtonsToRemove: ["autoScale2d", "toImage", "sendChartToCloud", "sendDataToCloud"] };
    const traces = value.traces.map(({ labels, title, ...trace }) => trace);
    await Plotly.react(root, traces, { ...LAYOUT, uirevision: value.label }, options);
    if (!root.dataset.wired) {
      root.dataset.wired = "yes";
      root.on("plotly_click", (event) => openStudy(event.points[0].customdata));
      root.on("plotly_selected", (event) => chosen(root, event ? event.points.map((point) => point.customdata) : []));
      root.on("plotly_deselect", () => chosen(root, []));
    }
  } catch {
    root.textContent = value.sorry;
  }
}
