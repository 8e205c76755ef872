// The page's own script: the viewers, the buttons that move them, studies opened from anywhere, files dropped anywhere.
// Data comes in attributes and goes to the viewers and to Python; nothing here writes markup.

const places = new Map(); // name of a place -> {root, handle, shows, links}
let tellPython = null;
let waiting = null; // where to go in a study that is being opened

// ---- studies opened by a button anywhere ---------------------------------------------------------------------------

/** Called once by the unseen element of shell.py: `trigger(name, data)` tells Python what was clicked. */
export function wire(trigger) {
  tellPython = trigger;
}

/** Open a study in the Screen tab, `at` a series, view and slice if given. */
export function openStudy(study, at = null) {
  waiting = at ? { ...at, study } : null;
  if (tellPython) tellPython("open", { study });
  const screen = places.get("screen");
  if (at && screen && screen.shows && screen.shows.study === study) show("screen", { ...screen.shows });
}

// ---- viewers -------------------------------------------------------------------------------------------------------

/** Make an element the place of a viewer; it is mounted with the first study. */
export function attach(root, name, base, first) {
  const old = places.get(name);
  if (old && old.handle) old.handle.destroy();
  places.set(name, { root, base, handle: null, shows: null, queue: Promise.resolve() });
  if (first) show(name, first);
}

/** Show a study, or a place in it. Requests to one viewer are answered in order. */
export function show(name, wanted) {
  const place = places.get(name);
  if (!place || !wanted) return Promise.resolve();
  place.queue = place.queue.then(() => showNow(name, place, wanted)).catch((error) => console.warn("viewer", error));
  return place.queue;
}

async function showNow(name, place, asked) {
  let wanted = asked;
  if (wanted.study === "") {
    place.root.hidden = true;
    place.shows = null;
    place.linked = false;
    return;
  }
  if (name === "screen" && waiting && waiting.study === wanted.study) {
    wanted = { ...wanted, ...waiting };
    waiting = null;
  }
  if (!wanted.study && !place.shows) return;
  place.root.hidden = false;
  if (!place.handle) {
    const { mount } = await import(new URL(`${place.base}/viewer.js`, document.baseURI).href);
    place.handle = mount(place.root, { base: place.base, lang: wanted.lang });
  }
  if (wanted.name) place.handle.speak(wanted.lang, { viewer: wanted.name });
  const same = place.shows && place.shows.study === (wanted.study || place.shows.study);
  place.shows = { study: wanted.study || place.shows.study, lang: wanted.lang || (place.shows || {}).lang };
  const { study, series, z, view, finding, lang } = wanted;
  // A study shown anew has no heat map unless one is asked for; a change of language keeps what is shown.
  const heat = finding !== undefined ? finding : same ? undefined : "";
  await place.handle.show({ study, series: series || undefined, z, view, lang, ...(heat === undefined ? {} : { finding: heat }) });
  if (wanted.study) place.linked = Boolean(wanted.linked);
  if (place.linked) pairUp();
}

/** Viewers told to show a pair scroll together from there; the one that arrives last ties the knot. */
function pairUp() {
  const pair = [...places.values()].filter((place) => place.linked && place.handle);
  if (pair.length !== 2) return;
  const [one, other] = pair;
  if (one.unlink) one.unlink();
  one.unlink = one.handle.link(other.handle);
}

// ---- clicks --------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open], [data-go]");
  if (!button) return;
  if (button.dataset.open) openStudy(button.dataset.open, button.dataset.at ? JSON.parse(button.dataset.at) : null);
  if (button.dataset.go) {
    mark(button);
    for (const move of JSON.parse(button.dataset.go)) show(move.place, move);
  }
});

/** Say which row or pair the viewers show. */
function mark(button) {
  const one = button.closest("tr") || button;
  const all = one.closest("table, .rs-live");
  for (const old of all ? all.querySelectorAll("[aria-current]") : []) old.removeAttribute("aria-current");
  one.setAttribute("aria-current", "true");
}

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
