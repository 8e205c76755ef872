// What a reader takes away: the link, a table as CSV, the explanation on paper. Buttons name it: data-do="...".

import { link } from "./address.js";

const ACTS = { "copy-link": copyLink, cite: copyCitation, "copy-table": copyTable, csv: saveTable, print: printExplanation };

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  const act = button && ACTS[button.dataset.do];
  if (act) act(button);
});

async function copyLink(button) {
  await copy(link(), button);
}

/** How what is shown is cited: software, encoder, archive, study, place, link and day; without a name of anybody. */
async function copyCitation(button) {
  const at = Object.fromEntries(new URLSearchParams(new URL(link()).hash.slice(1)));
  const base = new URL(".", import.meta.url).pathname.replace(/web\/$/, "");
  const answer = await fetch(`${base}archive/citation.json`);
  if (!answer.ok) return;
  const told = await answer.json();
  const place = [at.study && `study ${at.study}`, at.finding && `finding ${at.finding.replaceAll("_", " ")}`, at.slice && `${at.plane} slice ${at.slice}`,
    at.level && `level ${at.level}, width ${at.width}`, at.q && `search "${at.q}"`].filter(Boolean);
  await copy(`${told.software}; ${[told.archive, ...place].filter(Boolean).join("; ")}. ${link()} (${new Date().toISOString().slice(0, 10)}). ${told.notice}`, button);
}

async function copyTable(button) {
  await copy(rowsOf(tableOf(button)).map((row) => row.join("\t")).join("\n"), button);
}

/** Copy, and say so on the button for a moment; where the browser forbids it, show the text to be copied by hand. */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const shown = document.createElement("textarea"); // no secure context: the old way
    shown.value = text;
    document.body.append(shown);
    shown.select();
    document.execCommand("copy");
    shown.remove();
  }
  const said = button.dataset.said || button.textContent;
  button.dataset.said = said;
  button.textContent = button.dataset.done;
  setTimeout(() => (button.textContent = said), 1500);
}

function tableOf(button) {
  return button.closest(".rs-tools").previousElementSibling;
}

/** The cells as they read; of a picture, what it is called. */
function rowsOf(table) {
  const text = (cell) => {
    const drawn = cell.querySelector("[role=img]");
    return (drawn ? drawn.getAttribute("aria-label") : cell.innerText).replace(/\s+/g, " ").trim();
  };
  return [...table.rows].map((row) => [...row.cells].map(text));
}

/** Quote a cell; what a spreadsheet would take for a formula is kept text. */
function quoted(text) {
  const safe = /^[=+\-@\t]/.test(text) && !/^[+-]?[\d.,]+( |$)/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function saveTable(button) {
  const table = tableOf(button);
  const head = quoted(`# ${button.dataset.notice}`);
  const lines = rowsOf(table).map((row) => row.map(quoted).join(","));
  save(new Blob([`\ufeff${[head, ...lines].join("\r\n")}\r\n`], { type: "text/csv" }), `radseek-${button.dataset.name}.csv`);
}

function save(blob, name) {
  const anchor = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

/** Print the explanation alone, in a frame that may be printed and still runs nothing. */
function printExplanation(button) {
  const shown = button.closest(".rs-tools").parentElement.querySelector("iframe.rs-frame");
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin allow-modals");
  frame.className = "rs-print";
  frame.setAttribute("aria-hidden", "true");
  frame.tabIndex = -1;
  frame.srcdoc = shown.srcdoc;
  frame.addEventListener("load", () => {
    frame.contentWindow.focus();
    frame.contentWindow.print();
    document.dispatchEvent(new CustomEvent("rs-printed", { detail: frame.contentDocument.title }));
    setTimeout(() => frame.remove(), 60_000);
  });
  document.body.append(frame);
}
