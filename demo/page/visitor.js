// Who looks: the role of a visitor who logged in, the way out, and the way back once the session has ended.

import { make } from "/viewer/controls.js";

const EACH = 60_000; // ms between two looks at whether the session still is
const RETURN = "rs-return"; // where a visitor was when the session ended

let line = null;

/** Make an element the line; `base` is where its routes are, `value` {lang, words}. */
export function attach(root, base, value) {
  line = new Line(root, base, value);
}

/** Say everything in another language. */
export function speak(value) {
  if (line && value) line.speak(value);
}

class Line {
  constructor(root, base, value) {
    Object.assign(this, { root, base, role: "", ended: false });
    const back = sessionStorage.getItem(RETURN);
    sessionStorage.removeItem(RETURN);
    if (back && !location.hash) location.hash = back;
    this.speak(value);
    this.look();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
  }

  speak({ words }) {
    this.words = words;
    this.write();
  }

  async look() {
    clearTimeout(this.timer);
    try {
      const answer = await fetch(`${this.base}/visitor.json`);
      this.ended = answer.status === 401;
      if (answer.ok) this.role = (await answer.json()).role;
      this.write();
    } catch {
      // the server is away; the next look may find it
    }
    if (this.role && !this.ended) this.timer = setTimeout(() => this.look(), EACH);
  }

  write() {
    const { root, role, words } = this;
    root.hidden = !role;
    if (!role) return;
    root.classList.toggle("rs-ended", this.ended);
    if (this.ended) {
      root.setAttribute("role", "alert");
      const again = make("a", { href: "/login", textContent: words.log_in, onclick: () => sessionStorage.setItem(RETURN, location.hash) });
      root.replaceChildren(make("span", { textContent: words.ended }), again);
      return;
    }
    const out = make("form", { method: "post", action: "/logout" }, make("button", { className: "rs-small", textContent: words.log_out }));
    root.replaceChildren(make("span", { textContent: words[role] }), out);
  }
}
