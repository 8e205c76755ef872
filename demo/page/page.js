// The page's own script: the viewers, the buttons that move them, studies opened from anywhere, files dropped anywhere.
// Data comes in attributes and goes to the viewers and to Python; nothing here writes markup.

import * as address from "./address.js";
import "./ahead.js";
import "./notebook.js";
import "./skeleton.js";
import "./suggest.js";
import { goTab, onTab } from "./tab_bar.js";
import "./take_away.js";

const places = new Map(); // name of a place -> {root, handle, shows, request, queue, linked}
let tellPython = null;
let unlink = null; // undoes the last pair of viewers that scroll together
let askMore = null; // a study whose similar cases are asked for once it is chosen
let waiting = address.read().study ? address.place() : null; // where to go in a study that is being opened
let chosen = null; // the key of the study chosen; "" for none, null while none was ever told
let opening = null; // {study, since}: what Python was asked to open last, until it has
let unanswered = 0; // how often Python was asked to open one, and has not answered
const OF_THE_CHOSEN = ["screen", "query"]; // places that show the chosen study and no other
const OF_ONE = ".rs-of-study .rs-of-study > *"; // what is written of the chosen study
const LATE = 10_000; // ms for which Python may still speak of the study before

// ---- studies opened by a button anywhere ---------------------------------------------------------------------------

/** Called once by the unseen element of shell.py: `trigger(name, data)` tells Python what was clicked. */
export function wire(trigger) {
  tellPython = trigger;
}

/** Open a study in the Screen tab, `at` a series, view and slice if given. */
export function openStudy(study, at = null, tab = "screen") {
  address.noteStudy(study, tab);
  askMore = tab === "similar" ? study : null;
  open(study, at, tab);
}

function open(study, at, tab) {
  waiting = at ? { ...at, study } : null;
  const screen = places.get("screen");
  if (at && screen && screen.shows && screen.shows.study === study) show("screen", { ...screen.shows });
  if (!tellPython) return;
  opening = { study, since: performance.now() };
  unanswered++;
  tellPython("open", { study });
  goTab(tab);
  if (study !== chosen) turnTo(study); // the images wait for nobody
}

// Told by opening.py once a study asked for is chosen, or could not be: `detail` is the one that is chosen now.
document.addEventListener("rs-opened", ({ detail }) => {
  unanswered = Math.max(0, unanswered - 1);
  if (unanswered) return;
  opening = null;
  if ((detail || "") === chosen) return;
  turnTo(detail || "");
  for (const one of document.querySelectorAll(OF_ONE)) one.hidden = false; // it is of that study still
});

// ---- viewers -------------------------------------------------------------------------------------------------------

/** Make an element the place of a viewer; it is mounted with the first study. */
export function attach(root, name, base, first) {
  const old = places.get(name);
  if (old && old.handle) old.handle.destroy();
  places.set(name, { root, base, handle: null, shows: null, request: 0, queue: Promise.resolve() });
  if (first) show(name, first);
}

/** Show a study, or a place in it. Requests about one study are answered in order; another study waits for none. */
export function show(name, wanted) {
  const place = places.get(name);
  if (!place || !wanted || isLate(name, wanted)) return Promise.resolve();
  const shown = place.shows ? place.shows.study : "";
  const study = wanted.study === undefined ? shown : wanted.study;
  if (study !== shown) leave(place);
  place.root.hidden = !study;
  if (!study) return Promise.resolve();
  const { request } = place;
  place.shows = { study, lang: wanted.lang || (place.shows || {}).lang };
  const fresh = study !== shown;
  place.queue = place.queue.then(() => showNow(name, place, { ...wanted, study }, request, fresh)).catch((error) => console.warn("viewer", error));
  return place.queue;
}

async function showNow(name, place, asked, request, fresh) {
  let wanted = asked;
  const handle = place.handle || (await mountIn(place, wanted.lang));
  if (request !== place.request) return; // another study was chosen meanwhile
  if (name === "screen" && waiting && waiting.study === wanted.study) {
    wanted = { ...wanted, ...waiting };
    waiting = null;
  }
  if (wanted.name) handle.speak(wanted.lang, { viewer: wanted.name });
  const { study, series, z, plane, k, view, level, width, finding, lang, like, shapes, mask } = wanted;
  // A study shown anew has no heat map unless one is asked for; a change of language keeps what is shown.
  const heat = finding !== undefined ? finding : fresh ? "" : undefined;
  await handle.show({ study, series: series || undefined, z, plane, k, view, level, width, lang, like, shapes, mask, ...(heat === undefined ? {} : { finding: heat }) });
  if (request !== place.request) return;
  if (asked.linked !== undefined || fresh) place.linked = Boolean(asked.linked);
  if (place.linked) pairUp();
}

/** The key of the study chosen; "" for none. */
export function chosenStudy() {
  return chosen || "";
}

/** The viewer at a place; undefined before it showed anything. */
export function viewerAt(name) {
  return places.get(name)?.handle;
}

async function mountIn(place, lang) {
  const { mount } = await import(new URL(`${place.base}/viewer.js`, document.baseURI).href);
  if (!place.handle) { // two studies may have waited for the script
    place.handle = mount(place.root, { base: place.base, lang });
    if (place === places.get("screen")) {
      place.handle.onslice(noteSlice);
      place.handle.onkeep((kept) => document.dispatchEvent(new CustomEvent("rs-keep", { detail: kept })));
    }
  }
  return place.handle;
}

/** Have a place show nothing of the study it shows, at once. */
function leave(place) {
  place.request++;
  place.queue = Promise.resolve();
  place.shows = null;
  if (place.linked && unlink) unlink();
  place.linked = false;
  if (place.handle) place.handle.clear();
}

/** Viewers told to show a pair scroll together from there; the one that arrives last ties the knot. */
function pairUp() {
  const pair = [...places.values()].filter((place) => place.linked && place.handle);
  if (pair.length !== 2) return;
  if (unlink) unlink();
  unlink = pair[0].handle.link(pair[1].handle);
}

// ---- the study chosen ----------------------------------------------------------------------------------------------

/** Whether an answer is about a study that is not the chosen one any more. */
function isLate(name, wanted) {
  return chosen !== null && OF_THE_CHOSEN.includes(name) && Boolean(wanted.study) && wanted.study !== chosen;
}

// Told by study_bar.py in the moment in which another study is chosen: what was shown is not of it.
document.addEventListener("rs-study", ({ detail }) => {
  const study = detail || "";
  if (opening && opening.study !== study && performance.now() - opening.since < LATE) return; // another was asked for since
  if (askMore && askMore === study) setTimeout(() => document.querySelector("#rs-similar-run")?.click(), 100); // behind what clears the last answer
  askMore = null;
  turnTo(study);
});

/** Show the images of a study, "" for none, and nothing that is of another. */
function turnTo(study) {
  chosen = study;
  address.noteStudy(chosen);
  // Gradio writes the next answer over what is hidden here, and takes `hidden` away with it.
  for (const one of document.querySelectorAll(OF_ONE)) one.hidden = true;
  for (const [name, place] of places) {
    if (!place.shows || place.shows.study === (OF_THE_CHOSEN.includes(name) ? chosen : "")) continue;
    leave(place);
    place.root.hidden = !OF_THE_CHOSEN.includes(name);
  }
  // Python names the study too, but only where that is another one than it named last.
  for (const name of chosen ? OF_THE_CHOSEN : []) show(name, { study: chosen, lang: document.documentElement.lang });
}

// ---- clicks --------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-do]");
  if (pressed && pressed.dataset.do === "synthetic" && tellPython) tellPython("synthetic", {});
  if (pressed && ["refuse", "unrefuse"].includes(pressed.dataset.do) && tellPython) {
    tellPython("refuse", { study: pressed.dataset.of, back: pressed.dataset.do === "unrefuse" });
  }
  if (pressed && pressed.dataset.do === "bring") document.querySelector("#rs-bring")?.click();
  const button = event.target.closest("[data-open], [data-go]");
  if (!button) return;
  if (button.dataset.open) openStudy(button.dataset.open, button.dataset.at ? JSON.parse(button.dataset.at) : null, button.dataset.tab);
  if (button.dataset.go) {
    mark(button);
    for (const move of JSON.parse(button.dataset.go)) {
      show(move.place, move);
      if (move.place === "screen" && move.finding) address.note({ finding: move.finding }, true);
    }
  }
});

/** Say which row or pair the viewers show. */
function mark(button) {
  const one = button.closest("tr") || button;
  const all = one.closest("table, .rs-live");
  for (const old of all ? all.querySelectorAll("[aria-current]") : []) old.removeAttribute("aria-current");
  one.setAttribute("aria-current", "true");
}

// ---- the address ---------------------------------------------------------------------------------------------------

function noteSlice({ study, series, plane, k, level, width }) {
  if (study !== chosen) return;
  const round = (value) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : "");
  address.note({ series, plane, slice: k + 1, level: round(level), width: round(width) });
}

onTab((tab) => address.note({ tab }, address.read().tab !== ""));

function noteQuery() {
  const field = searchField();
  if (field && field.value.trim()) address.note({ q: field.value.trim() }, true);
}

const searchField = () => document.querySelector("#rs-search-text textarea, #rs-search-text input");

document.addEventListener("click", (event) => event.target.closest("#rs-search-run") && noteQuery());
document.addEventListener("keydown", (event) => event.key === "Enter" && event.target === searchField() && noteQuery());

/** Search for words once the field is there: the tab of a link may only be being drawn. */
export function searchFor(words, tries = 600) {
  const [field, run] = [searchField(), document.querySelector("#rs-search-run")];
  if (!field || !run) {
    if (tries) setTimeout(() => searchFor(words, tries - 1), 100);
    return;
  }
  field.value = words;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  setTimeout(() => run.click(), 100);
}

address.listen((now, before) => {
  if (now.study && now.study !== chosen) open(now.study, address.place(), now.tab || "screen");
  else {
    goTab(now.tab || "screen");
    if (now.study) show("screen", { ...address.place(), finding: now.finding });
  }
  if (now.q && now.q !== before.q) searchFor(now.q);
});
if (address.read().q && address.read().tab === "search") searchFor(address.read().q);

// ---- files dropped anywhere ----------------------------------------------------------------------------------------

const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");

document.addEventListener("dragover", (event) => {
  if (!holdsFiles(event) || event.target.closest("[data-testid='file-upload']")) return;
  event.preventDefault();
  document.body.classList.add("rs-dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("rs-dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("rs-dropping");
  const input = document.querySelector("#rs-bring-input, #rs-study input[type='file']");
  if (!holdsFiles(event) || !input) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
