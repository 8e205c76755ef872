// A study that a reader points at, or comes to by key, is read by the server before it is opened.

const REST = 80; // ms on one study: what is only passed is not read
const READING = 1_000; // ms after a study is opened, in which it has the server to itself
const ADDRESS = "/viewer/studies";

let last = ""; // the study asked for last
let timer = 0;

/** Have a study read, unless another is named within `rest` ms; "" or undefined: none after all. */
export function ahead(study, rest = REST) {
  clearTimeout(timer);
  if (study && study !== last) timer = setTimeout(() => ask(study), rest);
}

/** Have the study read that follows the one just opened. */
export function aheadOfNext(study) {
  ahead(study, READING);
}

function ask(study) {
  last = study;
  fetch(`${ADDRESS}/${encodeURIComponent(study)}/ahead`, { method: "POST" }).catch(() => {}); // opened all the same
}

for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => {
    const { open, study } = target.closest?.("[data-open], [data-study]")?.dataset || {};
    if (open || study) ahead(open || study);
  });
}
document.addEventListener("pointerout", ({ target }) => target.closest?.("[data-open], [data-study]") && ahead());
