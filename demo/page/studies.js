// The Studies tab: the archive as a list. Only the rows in sight are in the page, so 10,000 scroll as ten do.
// Data enters as text, never as markup.

import { make } from "/viewer/controls.js";
import { ahead, aheadOfNext } from "./ahead.js";
import { openStudy } from "./page.js";

const ROW = 64; // pixels; as in page.css
const PAGE = 100; // rows of one question
const AROUND = 6; // rows beyond the edges
const REST = 150; // ms without a key before the words are looked for
const ORDERS = ["key", "kind", "date", "year", "age", "slices", "description"];

let list = null;
let within = null; // keys of the only studies that are listed, where a lasso named them

/** Make an element the list; `base` is where its routes are, `value` {lang, words}. */
export function attach(root, base, value) {
  list = new List(root, base, value);
}

/** Say everything in another language. */
export function speak(value) {
  if (list && value) list.speak(value);
}

/** List only some studies, by key; none or null: all again. */
export function only(keys) {
  within = keys && keys.length ? keys : null;
  if (list) list.refresh();
}

class List {
  constructor(root, base, value) {
    Object.assign(this, { base, where: {}, at: -1, asked: 0, total: 0, pages: new Map(), pictures: new Map() });
    this.search = make("input", { type: "search", id: "rs-list-search", maxLength: 300, autocomplete: "off" });
    this.searchName = make("label", { htmlFor: "rs-list-search" });
    this.order = make("select", { id: "rs-list-order" });
    this.orderName = make("label", { htmlFor: "rs-list-order" });
    this.falling = make("input", { type: "checkbox", id: "rs-list-falling" });
    this.fallingName = make("label", { htmlFor: "rs-list-falling" });
    this.count = make("p", { className: "rs-list-count", role: "status" });
    this.keys = make("p", { className: "rs-hint", id: "rs-list-keys" });
    this.facets = make("div", { className: "rs-facets", role: "group" });
    this.rows = make("div", { className: "rs-list-rows" });
    this.port = make("div", { className: "rs-list-port", tabIndex: 0, role: "listbox", "aria-describedby": "rs-list-keys" }, this.rows);
    const top = make("div", { className: "rs-list-top" }, make("div", { className: "rs-list-words" }, this.searchName, this.search),
      make("div", {}, this.orderName, this.order), make("div", { className: "rs-list-falling" }, this.falling, this.fallingName));
    root.replaceChildren(top, this.facets, this.count, this.port, this.keys);
    this.listen(root);
    this.speak(value);
  }

  listen(root) {
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.refresh(), REST);
    });
    for (const one of [this.order, this.falling]) one.addEventListener("change", () => this.refresh());
    this.port.addEventListener("scroll", () => this.draw());
    this.port.addEventListener("keydown", (event) => this.key(event));
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.open(Math.max(this.at, 0));
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.port.focus();
      this.choose(Math.max(this.at, 0));
    });
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-row]");
      if (row) this.open(Number(row.dataset.row));
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || !root.checkVisibility()) return;
      event.preventDefault();
      this.search.focus();
      this.search.select();
    });
    new ResizeObserver(() => this.draw()).observe(this.port);
    // Seen again, it may be of an archive that has grown.
    new IntersectionObserver((seen) => seen.at(-1).isIntersecting && this.refresh(true)).observe(root);
  }

  speak({ lang, words }) {
    Object.assign(this, { lang, words });
    this.searchName.textContent = words.search;
    this.orderName.textContent = words.order;
    this.fallingName.textContent = words.falling;
    this.keys.textContent = words.keys;
    this.port.setAttribute("aria-label", words.list);
    this.facets.setAttribute("aria-label", words.filters);
    const chosen = this.order.value || "key";
    this.order.replaceChildren(...ORDERS.map((name) => make("option", { value: name, textContent: words[`order_${name}`] })));
    this.order.value = chosen;
    if (this.port.checkVisibility()) this.refresh(true);
  }

  question(offset) {
    const { lang, where } = this;
    return { words: this.search.value, where, order: this.order.value, falling: this.falling.checked, offset, limit: PAGE, lang, ...(within ? { keys: within } : {}) };
  }

  /** Ask anew; `stay`: what is chosen and where the reader has scrolled to stay. */
  async refresh(stay = false) {
    this.asked++;
    const { asked } = this;
    const first = stay ? Math.floor(this.port.scrollTop / ROW / PAGE) : 0;
    try {
      const found = await this.fetch(first * PAGE);
      if (asked !== this.asked) return;
      this.pages = new Map([[first, found.rows]]);
      this.total = found.total;
      this.rows.style.height = `${found.total * ROW}px`;
      if (!stay) {
        this.at = -1;
        this.port.scrollTop = 0;
      }
      const empty = found.of ? this.words.none : this.words.empty;
      this.count.textContent = found.total ? fill(this.words.count, found) : empty;
      this.drawFacets(found.facets);
      this.draw();
    } catch (error) {
      if (asked === this.asked) this.fail(error);
    }
  }

  async fetch(offset) {
    const body = JSON.stringify(this.question(offset));
    const answer = await fetch(`${this.base}/studies`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.reason || `${answer.status}`);
    return told;
  }

  fail(error) {
    const why = error instanceof TypeError ? this.words.offline : `${error.message} `;
    this.count.textContent = fill(this.words.failed, { why });
  }

  // ---- rows ----------------------------------------------------------------------------------------------------

  row(n) {
    const page = this.pages.get(Math.floor(n / PAGE));
    return Array.isArray(page) ? page[n % PAGE] : undefined;
  }

  async need(page) {
    if (this.pages.has(page)) return;
    const { asked } = this;
    this.pages.set(page, "asked");
    try {
      const found = await this.fetch(page * PAGE);
      if (asked !== this.asked) return;
      this.pages.set(page, found.rows);
      this.draw();
    } catch (error) {
      this.pages.delete(page);
      if (asked === this.asked) this.fail(error);
    }
  }

  draw() {
    const first = Math.max(0, Math.floor(this.port.scrollTop / ROW) - AROUND);
    const last = Math.min(this.total, Math.ceil((this.port.scrollTop + this.port.clientHeight) / ROW) + AROUND);
    const drawn = [];
    for (let n = first; n < last; n++) {
      const row = this.row(n);
      if (!row) this.need(Math.floor(n / PAGE));
      drawn.push(this.element(n, row));
    }
    this.rows.replaceChildren(...drawn);
    const chosen = this.at >= first && this.at < last ? `rs-row-${this.at}` : "";
    if (chosen) this.port.setAttribute("aria-activedescendant", chosen);
    else this.port.removeAttribute("aria-activedescendant");
  }

  element(n, row) {
    const set = { id: `rs-row-${n}`, className: "rs-list-row", role: "option", "data-row": n, "aria-selected": String(n === this.at),
      "aria-setsize": this.total, "aria-posinset": n + 1 };
    const one = make("div", set);
    one.style.top = `${n * ROW}px`;
    if (!row) return one;
    one.dataset.study = row.study;
    const named = [row.description, row.accession, row.path].filter(Boolean).join(" \u00b7 ");
    one.append(this.picture(row.study), make("div", { className: "rs-list-said" },
      make("b", { textContent: row.label }), make("span", { textContent: `${row.facts} \u00b7 ${row.key}` }), make("span", { textContent: named, title: named })));
    return one;
  }

  /** A study's picture; asked for once the reader has rested on it, one after another. */
  picture(study) {
    const frame = make("span", { className: "rs-list-thumb", "data-of": study });
    const known = this.pictures.get(study);
    if (known) frame.append(make("img", { src: known, alt: "" }));
    else if (known === undefined) this.rest();
    return frame;
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.fetchPictures(), REST);
  }

  async fetchPictures() {
    if (this.fetching) return;
    this.fetching = true;
    try {
      for (let next = this.wanted(); next; next = this.wanted()) {
        const answer = await fetch(`${this.base}/thumb/${encodeURIComponent(next)}`);
        this.pictures.set(next, answer.status === 200 ? URL.createObjectURL(await answer.blob()) : "");
        for (const frame of this.rows.querySelectorAll(`[data-of="${CSS.escape(next)}"]`)) {
          if (this.pictures.get(next)) frame.replaceChildren(make("img", { src: this.pictures.get(next), alt: "" }));
        }
      }
    } catch {
      // without pictures the list is as good as it was
    } finally {
      this.fetching = false;
    }
  }

  /** The first study in sight without a picture. */
  wanted() {
    const { top, bottom } = this.port.getBoundingClientRect();
    const seen = (frame) => frame.getBoundingClientRect().bottom > top && frame.getBoundingClientRect().top < bottom;
    const frame = [...this.rows.querySelectorAll("[data-of]")].find((one) => !this.pictures.has(one.dataset.of) && seen(one));
    return frame && frame.dataset.of;
  }

  // ---- choosing ------------------------------------------------------------------------------------------------

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.port.clientHeight / ROW) - 1);
    const to = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page, Home: 0, End: this.total - 1 }[event.key];
    if (to !== undefined) this.choose(to);
    else if (event.key === "Enter") this.open(this.at);
    else return;
    event.preventDefault();
  }

  choose(n) {
    if (!this.total) return;
    this.at = Math.min(Math.max(n, 0), this.total - 1);
    const top = this.at * ROW;
    if (top < this.port.scrollTop) this.port.scrollTop = top;
    if (top + ROW > this.port.scrollTop + this.port.clientHeight) this.port.scrollTop = top + ROW - this.port.clientHeight;
    this.draw();
    ahead(this.row(this.at)?.study);
  }

  open(n) {
    const row = this.row(n);
    if (!row) return;
    this.at = n;
    this.draw();
    openStudy(row.study);
    aheadOfNext(this.row(n + 1)?.study);
  }

  drawFacets(facets) {
    const groups = facets.filter((one) => one.values.length).map((facet) => {
      const chosen = this.where[facet.name] || [];
      const chips = facet.values.slice(0, 12).map(({ value, label, count }) => make("button", {
        type: "button", className: "rs-chip", "aria-pressed": String(chosen.includes(value)), textContent: `${label} ${count}`,
        onclick: () => this.filter(facet.name, value),
      }));
      return make("div", { className: "rs-facet", role: "group", "aria-label": facet.label }, make("span", { textContent: facet.label }), ...chips);
    });
    if (within) {
      groups.unshift(make("button", { type: "button", className: "rs-chip", "aria-pressed": "true", textContent: fill(this.words.only, { count: within.length }), onclick: () => only(null) }));
    }
    if (Object.keys(this.where).length) {
      groups.push(make("button", { type: "button", className: "rs-chip", textContent: this.words.clear, onclick: () => this.filter() }));
    }
    this.facets.replaceChildren(...groups);
  }

  filter(name, value) {
    if (!name) this.where = {};
    else {
      const held = this.where[name] || [];
      const now = held.includes(value) ? held.filter((one) => one !== value) : [...held, value];
      this.where = { ...this.where, [name]: now };
      if (!now.length) delete this.where[name];
    }
    this.refresh();
  }
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? values[name].toLocaleString("en") : values[name]));
}
