// The worklist above the images: on by J, back by K, and a reader's word on what radseek says by Y, N or U.

import { aheadOfNext } from "./ahead.js";
import { chosenStudy, openStudy } from "./page.js";
import { onTab, tabNow } from "./tab_bar.js";

const PATIENCE = 15_000; // ms
const OPINIONS = { y: "agree", n: "disagree", u: "unsure" };

let strip = null;

/** Make an element the strip; `base` is where its routes are, `value` {lang, words}. */
export function attach(root, base, value) {
  strip = new Strip(root, base, value);
}

/** Say everything in another language. */
export function speak(value) {
  if (strip && value) strip.speak(value);
}

function make(tag, set = {}, ...children) {
  const one = Object.assign(document.createElement(tag), set);
  one.append(...children);
  return one;
}

class Strip {
  constructor(root, base, value) {
    Object.assign(this, { root, base, rows: [], at: -1, asked: [] }); // asked: studies on their way to the screen
    this.where = make("p", { className: "rs-work-where" });
    this.where.setAttribute("role", "status");
    this.buttons = make("div", { className: "rs-buttons" });
    this.progress = make("progress", { className: "rs-progress", max: 1, value: 0 });
    this.labels = make("a", { className: "rs-file", href: `${base}/labels.csv`, download: "" });
    this.reader = make("input", { type: "text", maxLength: 120, className: "rs-note-words rs-work-reader", autocomplete: "off" });
    this.reader.addEventListener("change", () => this.load());
    root.replaceChildren(this.where, this.buttons, this.reader, this.progress, this.labels);
    root.hidden = true;
    onTab((tab) => tab === "screen" && this.load());
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("rs-study", (event) => this.follow(event.detail));
    this.speak(value);
  }

  speak({ lang, words }) {
    Object.assign(this, { lang, words });
    const button = (name, act) => make("button", { type: "button", className: "rs-small", textContent: words[name], onclick: act });
    this.buttons.replaceChildren(button("previous", () => this.go(-1)), button("next", () => this.go(1)),
      ...Object.values(OPINIONS).map((opinion) => button(opinion, () => this.say(opinion))));
    this.labels.textContent = words.labels;
    this.reader.placeholder = words.reader;
    this.reader.setAttribute("aria-label", words.reader);
    this.progress.setAttribute("aria-label", words.progress_label);
    this.load();
  }

  async load() {
    try {
      const answer = await fetch(`${this.base}/worklist/${this.lang}.json`, { headers: { "X-Reader": encodeURIComponent(this.reader.value.trim()) } });
      if (!answer.ok) return;
      this.rows = await answer.json();
      this.write();
    } catch {
      // the next look may find the server again
    }
  }

  /** The row of a study that was chosen in another way; none where it is on no row. */
  follow(study) {
    if (study === this.told) return; // a study may be told twice, and late
    this.told = study;
    const n = this.asked.indexOf(study);
    if (n >= 0) {
      this.asked.splice(0, n + 1);
      if (this.asked.length) return; // the reader is farther on already
    } else this.asked = [];
    if (this.rows[this.at]?.study !== study) this.at = this.rows.findIndex((row) => row.study === study);
    this.write();
  }

  write(told = "") {
    const { rows, words } = this;
    this.root.hidden = !rows.length;
    const read = rows.filter((row) => row.opinion).length;
    const row = rows[this.at];
    const here = row ? fill(words.at, { ...row, n: this.at + 1, count: rows.length }) : fill(words.off, { count: rows.length });
    const own = row && row.opinion ? ` ${fill(words.own, { opinion: words[row.opinion].split(" ")[0] })}` : "";
    this.where.textContent = `${told || here + own} ${fill(words.progress, { read, count: rows.length })}`;
    this.progress.value = rows.length ? read / rows.length : 0;
    this.root.setAttribute("aria-busy", String(this.asked.length > 0));
    for (const button of [...this.buttons.children].slice(2)) button.disabled = !row || this.asked.length > 0;
  }

  key(event) {
    const typing = event.composedPath()[0].closest?.("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if (!this.rows.length || typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const pressed = event.key.toLowerCase();
    const step = { j: 1, k: -1 }[pressed];
    if (step) this.go(step);
    else if (OPINIONS[pressed] && tabNow() === "screen" && this.rows[this.at]) this.say(OPINIONS[pressed]);
    else return;
    event.preventDefault();
  }

  /** Open the next row, or the one before; at first the first that nobody has read. */
  go(step) {
    const unread = this.rows.findIndex((row) => !row.opinion);
    const to = this.at < 0 ? Math.max(unread, 0) : this.at + step;
    if (to < 0 || to >= this.rows.length) return this.write(this.words.end);
    this.at = to;
    const { study, at } = this.rows[to];
    if (study !== (this.asked.at(-1) ?? chosenStudy())) this.ask(study);
    openStudy(study, at);
    aheadOfNext(this.rows[to + step]?.study);
    return this.write();
  }

  /** Remember a study as on its way; not for ever, should nobody tell that it came. */
  ask(study) {
    this.asked.push(study);
    clearTimeout(this.patience);
    this.patience = setTimeout(() => ((this.asked = []), this.write()), PATIENCE);
  }

  /** Keep a word and go on at once; where it could not be kept, it is taken back and said so. */
  async say(opinion) {
    const row = this.rows[this.at];
    if (!row) return;
    if (this.asked.length) {
      this.write(this.words.wait); // a word is on what stands on the screen
      return;
    }
    const before = row.opinion;
    row.opinion = opinion;
    this.go(1);
    try {
      const body = JSON.stringify({ study: row.study, finding: row.finding, opinion, reader: this.reader.value.trim(), lang: this.lang });
      const answer = await fetch(`${this.base}/verdict`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      if (!answer.ok) throw new Error((await answer.json()).reason);
    } catch (error) {
      row.opinion = before;
      this.write(fill(this.words.failed, { why: error instanceof TypeError ? this.words.offline : error.message }));
    }
  }
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}
