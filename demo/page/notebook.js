// What readers keep: cases, searches and measurements with a note. Those of the study under its images, all of them in a
// part of the Archive tab. Data enters as text, never as markup.

import { make } from "/viewer/controls.js";
import * as address from "./address.js";
import { openStudy, searchFor, show } from "./page.js";
import { goTab, onTab } from "./tab_bar.js";

const lists = new Map(); // root -> List

/** Make an element a list; `base` is where its routes are, `value` {lang, words}; `ofStudy`: only of the study chosen. */
export function attach(root, base, value, ofStudy) {
  lists.get(root)?.end();
  lists.set(root, new List(root, base, value, ofStudy));
}

/** Say everything in another language. */
export function speak(root, value) {
  if (value) lists.get(root)?.speak(value);
}

// A search is kept from the Search tab, whether or not a list was drawn yet.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do=keep-search]");
  const { q } = address.read();
  if (!button || !q) return;
  const body = JSON.stringify({ kind: "search", text: q, lang: button.dataset.lang });
  const told = new URL("../archive/notes", import.meta.url);
  try {
    const answer = await fetch(told, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    button.textContent = answer.ok ? button.dataset.done : (await answer.json()).reason;
    document.dispatchEvent(new CustomEvent("rs-notes"));
  } catch {
    button.textContent = button.dataset.failed;
  }
});

class List {
  constructor(root, base, value, ofStudy) {
    Object.assign(this, { root, base, ofStudy, rows: [], study: address.read().study, over: new AbortController() });
    this.keepCase = make("button", { type: "button", className: "rs-small", onclick: () => this.keep({ kind: "case", study: this.study }) });
    this.note = make("input", { type: "text", maxLength: 2000, className: "rs-note-words" });
    this.told = make("p", { className: "rs-hint", role: "status" });
    this.rowsAt = make("ul", { className: "rs-notes" });
    this.file = make("a", { className: "rs-file", href: `${base}/notes.csv`, download: "" });
    root.replaceChildren(...(ofStudy ? [make("div", { className: "rs-note-new" }, this.note, this.keepCase)] : [make("p", {}, this.file)]), this.told, this.rowsAt);
    const { signal } = this.over;
    document.addEventListener("rs-notes", () => this.load(), { signal });
    if (ofStudy) {
      document.addEventListener("rs-study", (event) => ((this.study = event.detail || ""), this.load()), { signal });
      document.addEventListener("rs-keep", (event) => this.keep({ ...event.detail, kind: "measurement" }), { signal });
    } else {
      onTab((tab) => tab === "archive" && this.load());
    }
    this.speak(value);
  }

  end() {
    this.over.abort();
  }

  speak({ lang, words }) {
    Object.assign(this, { lang, words });
    this.keepCase.textContent = words.keep_case;
    this.note.placeholder = words.note;
    this.note.setAttribute("aria-label", words.note);
    this.file.textContent = words.file;
    this.load();
  }

  async ask(path, body) {
    const set = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body, lang: this.lang }) } : {};
    const answer = await fetch(`${this.base}/${path}`, set);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.reason || `${answer.status}`);
    return told;
  }

  async load() {
    const { study } = this;
    if (this.ofStudy && !study) return this.write([]);
    try {
      const rows = await this.ask(`notes/${this.lang}.json${this.ofStudy ? `?study=${encodeURIComponent(study)}` : ""}`);
      if (study === this.study) this.write(rows);
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }

  fail(error) {
    this.told.textContent = this.words.failed.replace("{why}", error instanceof TypeError ? this.words.offline : error.message);
  }

  async keep(entry) {
    try {
      await this.ask("notes", { note: this.note.value, ...entry });
      this.note.value = "";
      document.dispatchEvent(new CustomEvent("rs-notes"));
    } catch (error) {
      this.fail(error);
    }
  }

  write(rows) {
    this.told.textContent = rows.length || this.ofStudy ? "" : this.words.none;
    this.rowsAt.replaceChildren(...rows.map((row) => this.element(row)));
  }

  element(row) {
    const { words } = this;
    const named = [this.ofStudy ? "" : row.label, row.text || (this.ofStudy ? words[row.kind] : "")].filter(Boolean).join(" \u00b7 ");
    const note = make("input", { type: "text", value: row.note, maxLength: 2000, className: "rs-note-words", placeholder: words.note, "aria-label": `${words.note}: ${named}` });
    note.addEventListener("change", () => this.keep({ id: row.id, kind: row.kind, study: row.study, text: row.text, place: row.place, note: note.value }));
    const gone = make("button", { type: "button", className: "rs-small", textContent: words.gone, "aria-label": `${words.gone}: ${named}`, onclick: () => this.takeAway(row) });
    return make("li", {}, make("span", { className: "rs-hint", textContent: `${words[row.kind]}, ${row.time}` }),
      make("button", { type: "button", className: "rs-go", textContent: named, onclick: () => this.open(row) }), note, gone);
  }

  async takeAway(row) {
    try {
      await this.ask("notes/gone", { id: row.id });
      document.dispatchEvent(new CustomEvent("rs-notes"));
    } catch (error) {
      this.fail(error);
    }
  }

  open(row) {
    if (row.kind === "search") {
      address.note({ tab: "search", q: row.text }, true);
      goTab("search");
      searchFor(row.text);
      return;
    }
    const { series, plane, k, shapes } = row.place;
    const at = series ? { study: row.study, series, plane, k, shapes } : null;
    if (this.ofStudy) show("screen", at || { study: row.study });
    else openStudy(row.study, at);
  }
}
