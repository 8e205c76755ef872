// Which tab is shown, and going to one: also where the window is too narrow for Gradio's own row of tabs. There, a bar of
// ours has them all, for Gradio puts those that do not fit into a menu.

import { read } from "./address.js";

export const NAMES = ["studies", "screen", "similar", "search", "explain", "archive", "about"];

const changed = new Set();
let drawn = "";
let shown = "";
let wanted = NAMES.includes(read().tab) ? read().tab : ""; // by the address, until it can be gone to

/** Call `tell(name)` whenever another tab is shown. */
export function onTab(tell) {
  changed.add(tell);
}

/** Go to a tab; to the images where there is none of that name. */
export function goTab(name) {
  wanted = "";
  buttonOf(NAMES.includes(name) ? name : "screen")?.click();
}

/** Return the tab that is shown; "" before there is one. */
export function tabNow() {
  return NAMES.find((name) => document.getElementById(`rs-tab-${name}`)?.checkVisibility()) || "";
}

/** Gradio's own button for a tab: in its row, or in its menu of those that did not fit, which come after it. */
function buttonOf(name) {
  const own = document.getElementById(`rs-tab-${name}-button`);
  if (own) return own;
  const beyond = NAMES.filter((one) => !document.getElementById(`rs-tab-${one}-button`));
  return document.querySelectorAll("#rs-tabs > .tab-wrapper .overflow-dropdown button")[beyond.indexOf(name)];
}

function look() {
  const tabs = document.querySelector("#rs-tabs > .tab-wrapper");
  if (!tabs) return;
  const words = [...tabs.querySelectorAll(".tab-container.visually-hidden button")].map((one) => one.textContent);
  if (wanted && buttonOf(wanted)) goTab(wanted);
  const now = tabNow();
  if (words.length === NAMES.length && words.join() !== drawn) draw(tabs, words);
  for (const one of document.querySelectorAll(".rs-tabbar button")) {
    if (one.dataset.page === now) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  if (!now || now === shown || wanted) return;
  shown = now;
  document.querySelector(".rs-tabbar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  for (const tell of changed) tell(now);
}

function draw(tabs, words) {
  drawn = words.join();
  document.querySelector(".rs-tabbar")?.remove();
  const bar = Object.assign(document.createElement("nav"), { className: "rs-tabbar" });
  bar.setAttribute("aria-label", "radseek");
  words.forEach((text, n) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick: () => goTab(NAMES[n]) });
    button.dataset.page = NAMES[n];
    bar.append(button);
  });
  tabs.before(bar);
}

let waiting = 0;
new MutationObserver(() => {
  if (!waiting) waiting = requestAnimationFrame(() => ((waiting = 0), look()));
}).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected", "style"] });
