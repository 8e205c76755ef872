// Findings of the catalogue, in both languages, offered while a reader types: under the search and under "own words".

const FIELDS = "#rs-search-text textarea, #rs-search-text input, #rs-screen-words textarea, #rs-screen-words input";
const MOST = 8;
const HAN = /[\u3400-\u9fff]/;

let terms = null; // [{names: [English, Chinese], words}] once asked for
let open = null; // {field, list, items, at}

document.addEventListener("input", (event) => event.target.matches(FIELDS) && offer(event.target));
document.addEventListener("focusout", () => setTimeout(close, 150));
document.addEventListener("keydown", key, true); // before Gradio, for which Enter asks

async function load() {
  terms ||= fetch(new URL("../archive/terms.json", import.meta.url)).then((answer) => (answer.ok ? answer.json() : [])).catch(() => []);
  return terms;
}

/** What is being typed: the words behind the last comma or quote, less what denies them. */
function typed(field) {
  const before = field.value.slice(0, field.selectionStart ?? field.value.length);
  const start = Math.max(...[",", ";", "\uff0c", "\u3001", "\uff1b", '"'].map((mark) => before.lastIndexOf(mark))) + 1;
  const words = before.slice(start);
  const lead = words.match(/^\s*(?:(?:no|without)\s+|[\u65e0\u672a])?/i)[0].length;
  return { from: start + lead, words: words.slice(lead) };
}

async function offer(field) {
  if (field !== document.activeElement) return;
  const asked = typed(field).words.trim().toLowerCase();
  const known = await load();
  const found = asked.length < (HAN.test(asked) ? 1 : 2) ? [] : known.map((term) => [rank(term, asked), term]).filter(([worth]) => worth < 9);
  if (field !== document.activeElement) return;
  close();
  const items = found.sort((a, b) => a[0] - b[0]).slice(0, MOST).map(([, term]) => term);
  if (items.length && !(items.length === 1 && items[0].names.some((name) => name.toLowerCase() === asked))) show(field, items);
}

/** 0: the name begins so; 1: another word for it does; 2: a word of it does; 3: it stands within. 9: it does not. */
function rank({ names, words }, asked) {
  const all = [...names, ...words].map((one) => one.toLowerCase());
  if (names.some((one) => one.toLowerCase().startsWith(asked))) return 0;
  if (all.some((one) => one.startsWith(asked))) return 1;
  if (all.some((one) => one.includes(` ${asked}`))) return 2;
  return asked.length > 2 || HAN.test(asked) ? (all.some((one) => one.includes(asked)) ? 3 : 9) : 9;
}

function show(field, items) {
  const list = Object.assign(document.createElement("ul"), { className: "rs-suggest", id: "rs-suggest" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", field.getAttribute("aria-label") || field.labels?.[0]?.innerText || "");
  items.forEach((term, n) => {
    const item = Object.assign(document.createElement("li"), { id: `rs-suggest-${n}`, textContent: term.names.join(" \u00b7 ") });
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      take(n);
    });
    list.append(item);
  });
  const box = field.getBoundingClientRect();
  Object.assign(list.style, { left: `${box.left + scrollX}px`, top: `${box.bottom + scrollY + 2}px`, minWidth: `${Math.min(box.width, 420)}px` });
  document.body.append(list);
  open = { field, list, items, at: -1 };
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"], ["aria-controls", "rs-suggest"], ["aria-autocomplete", "list"]]) field.setAttribute(name, value);
}

function close() {
  if (!open) return;
  open.list.remove();
  for (const name of ["role", "aria-expanded", "aria-controls", "aria-autocomplete", "aria-activedescendant"]) open.field.removeAttribute(name);
  open = null;
}

function key(event) {
  if (!open || event.target !== open.field || event.isComposing) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose((open.at + step + open.items.length + (open.at < 0 && step < 0 ? 1 : 0)) % open.items.length);
  else if (event.key === "Enter" && open.at >= 0) take(open.at);
  else {
    if (event.key === "Escape" || event.key === "Enter") close();
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

function choose(n) {
  open.at = n;
  [...open.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === n)));
  open.field.setAttribute("aria-activedescendant", `rs-suggest-${n}`);
}

/** Put the finding in the place of what was typed, in the language in which it was typed. */
function take(n) {
  const { field, items } = open;
  const { from, words } = typed(field);
  const name = items[n].names[HAN.test(words) ? 1 : 0];
  const end = field.selectionStart ?? field.value.length;
  const rest = field.value.slice(end);
  close();
  field.value = field.value.slice(0, from) + name + rest;
  field.setSelectionRange(from + name.length, from + name.length);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
