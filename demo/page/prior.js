// The patient's other studies above the images: one of them beside the study, hung like it, scrolled to the same place.

import { make } from "/viewer/controls.js";
import { show, viewerAt } from "./page.js";

let bar = null;

/** Make an element the bar; `base` is where its routes are, `value` {lang, words}. */
export function attach(root, base, value) {
  bar = new Bar(root, base, value);
}

/** Say everything in another language. */
export function speak(value) {
  if (bar && value) bar.speak(value);
}

class Bar {
  constructor(root, base, value) {
    Object.assign(this, { root, base, rows: [], study: new URLSearchParams(location.hash.slice(1)).get("study") || "", on: false, unlink: null });
    this.name = make("span");
    this.choice = make("select", { onchange: () => this.on && this.open() });
    this.button = make("button", { type: "button", className: "rs-small rs-prior-show", onclick: () => (this.on ? this.close() : this.open()) });
    this.together = make("input", { type: "checkbox", checked: true, onchange: () => this.tie(true) });
    this.togetherName = make("span");
    this.tied = make("label", { className: "rs-prior-tied", hidden: true }, this.together, this.togetherName);
    root.replaceChildren(make("label", {}, this.name, this.choice), this.button, this.tied);
    document.addEventListener("rs-study", (event) => this.follow(event.detail || ""));
    this.speak(value);
  }

  speak({ lang, words }) {
    Object.assign(this, { lang, words });
    this.name.textContent = words.with;
    this.togetherName.textContent = words.together;
    this.tied.title = words.hint;
    this.write();
    this.load();
  }

  follow(study) {
    if (study === this.study) return;
    this.study = study;
    this.close();
    this.rows = [];
    this.write();
    this.load();
  }

  async load() {
    const { study } = this;
    if (!study) return;
    try {
      const answer = await fetch(`${this.base}/others/${encodeURIComponent(study)}/${this.lang}.json`);
      const rows = answer.ok ? await answer.json() : [];
      if (study !== this.study) return;
      this.rows = rows;
      this.write();
    } catch {
      // without them the study is looked at alone
    }
  }

  write() {
    const { rows, words, choice } = this;
    this.root.hidden = !rows.length;
    this.button.textContent = words[this.on ? "close" : "show"];
    this.button.setAttribute("aria-pressed", String(this.on));
    this.tied.hidden = !this.on;
    const held = choice.value;
    choice.replaceChildren(...rows.map((row) => make("option", { value: row.study, textContent: [row.when, row.label, row.accession || row.key].filter(Boolean).join(" \u00b7 ") })));
    if (rows.some((row) => row.study === held)) choice.value = held;
  }

  async open() {
    this.on = true;
    this.root.closest(".rs-columns").classList.add("rs-paired");
    this.write();
    this.untie();
    const study = this.choice.value;
    await show("screen", {}); // it may be on its way still, and the other is hung like it
    const own = viewerAt("screen");
    await show("prior", { study, lang: this.lang, finding: "", ...(own ? own.picked() : {}) });
    if (this.on && study === this.choice.value) this.tie(false);
  }

  close() {
    this.on = false;
    this.untie();
    this.root.closest(".rs-columns")?.classList.remove("rs-paired");
    show("prior", { study: "" });
    this.write();
  }

  /** Scroll together from here on, or no more; `apart`: at the distance at which the reader has put them. */
  tie(apart) {
    this.untie();
    const [own, other] = [viewerAt("screen"), viewerAt("prior")];
    if (this.on && this.together.checked && own && other) this.unlink = own.link(other, { position: true, apart });
  }

  untie() {
    if (this.unlink) this.unlink();
    this.unlink = null;
  }
}
