// Slices one after another, as a film; each is waited for, so that none is left out.

const EACH = 80; // ms

export class Cine {
  constructor(viewer) {
    Object.assign(this, { viewer, timer: 0 });
  }

  toggle(on = !this.timer) {
    clearInterval(this.timer);
    this.timer = on && this.viewer.plane && this.viewer.plane.count > 1 ? setInterval(() => this.step(), EACH) : 0;
    this.viewer.at.cine.setAttribute("aria-pressed", String(Boolean(this.timer)));
    this.viewer.at.cine.textContent = this.timer ? "\u25a0" : "\u25b6";
  }

  step() {
    const { viewer } = this;
    if (!viewer.plane) return this.toggle(false);
    if (!viewer.shown || viewer.shown.k !== viewer.k) return undefined; // it is on its way
    return viewer.goTo((viewer.k + 1) % viewer.plane.count);
  }
}
