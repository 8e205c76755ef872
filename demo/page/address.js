// The address names what is shown: study, tab, finding, plane, slice, window, query. It stands behind `#`, which a
// browser keeps to itself, so no server's log holds what a reader looked at or for.

const NAMES = ["study", "tab", "finding", "series", "plane", "slice", "level", "width", "q"];
const OF_A_STUDY = { finding: "", series: "", plane: "", slice: "", level: "", width: "" };
const REST = 250; // ms: a browser refuses an address that changes with every slice scrolled

window.rsFirstAddress = location.hash; // the tab that is drawn first is noted soon, maybe before a server asked what was named
let held = read();
let resting = 0;

/** Return what the address names; what it does not name is "". */
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) || ""]));
}

/** Write what is shown now. `step`: back returns to what was shown before. */
export function note(changes, step = false) {
  const now = { ...held, ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, String(value ?? "")])) };
  if (NAMES.every((name) => now[name] === held[name])) return;
  if (step) write(); // where the reader was, to the slice
  held = now;
  clearTimeout(resting);
  if (step) history.pushState(null, "", address());
  else resting = setTimeout(write, REST);
}

/** Another study was chosen, in a tab if one is named: what was noted of the last one is not of it. */
export function noteStudy(study, tab = held.tab) {
  const other = study && study !== held.study;
  if (other || tab !== held.tab) note({ ...(other ? { ...OF_A_STUDY, study } : {}), tab }, held.study !== "");
}

/** Return where a viewer is to go in the study that the address names. */
export function place(of = held) {
  const number = (text) => (text === "" || !Number.isFinite(Number(text)) ? undefined : Number(text));
  const slice = number(of.slice);
  return {
    study: of.study, series: of.series || undefined, plane: of.plane || undefined, k: slice === undefined ? undefined : slice - 1,
    level: number(of.level), width: number(of.width), ...(of.finding ? { finding: of.finding } : {}),
  };
}

/** Return the link to what is shown. */
export function link() {
  write();
  return location.href;
}

/** Call `go(now, before)` when the reader goes back or forth, or types an address. */
export function listen(go) {
  addEventListener("popstate", () => {
    clearTimeout(resting);
    const before = held;
    held = read();
    go(held, before);
  });
}

function write() {
  clearTimeout(resting);
  history.replaceState(null, "", address());
}

function address() {
  const named = new URLSearchParams(Object.entries(held).filter(([, value]) => value !== ""));
  return `#${named}`;
}
