// A mask over the slices of its series: fetched slice by slice, each region in its colour, named under the image.

import { make } from "./controls.js";
import { problemOf } from "./pixels.js";

const KEPT = 200; // pictures

export class MaskOverlay {
  constructor(viewer) {
    Object.assign(this, { viewer, held: null, pictures: new Map(), shown: true });
  }

  clear() {
    this.held = null;
    this.pictures.clear();
    this.label();
  }

  /** Lay the mask of a name over the study shown, and go to where it is largest; "" takes it away. */
  async ask(name) {
    if (name === (this.held ? this.held.token : "")) return;
    this.clear();
    const { viewer } = this;
    if (!name) return viewer.redraw();
    const answer = await fetch(`${this.address(name)}`);
    if (!answer.ok) throw await problemOf(answer);
    this.held = await answer.json();
    const series = viewer.scene && viewer.scene.series.find((one) => one.key === this.held.series);
    if (series && series !== viewer.series) viewer.chooseSeries(series);
    const { slices } = this.held;
    if (slices.length) viewer.goNative(slices[Math.floor(slices.length / 2)], false);
    this.label();
    return viewer.redraw();
  }

  address(name) {
    return `${this.viewer.base}/studies/${encodeURIComponent(this.viewer.scene.study)}/mask/${encodeURIComponent(name)}`;
  }

  /** Draw the mask of the slice shown; one that is not here is fetched, and drawn once it is. */
  draw(pen, place, { series, planeName, k }) {
    if (!this.held || !this.shown || series.key !== this.held.series) return;
    const name = `${planeName} ${k}`;
    const picture = this.pictures.get(name);
    if (picture === undefined) this.fetch(name, planeName, k);
    if (!picture) return;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, place.x, place.y, place.width, place.height);
    pen.imageSmoothingEnabled = true;
  }

  async fetch(name, planeName, k) {
    const { held } = this;
    this.pictures.set(name, null);
    try {
      const answer = await fetch(`${this.address(held.token)}/${planeName}/${k}`);
      if (!answer.ok) throw await problemOf(answer);
      const picture = await createImageBitmap(await answer.blob());
      if (held !== this.held) return;
      if (this.pictures.size > KEPT) this.pictures.clear();
      this.pictures.set(name, picture);
      this.viewer.redraw();
    } catch {
      if (held === this.held) this.pictures.delete(name); // asked again when the slice is drawn again
    }
  }

  speak() {
    this.label();
  }

  label() {
    const { at, word } = this.viewer;
    if (!at || !word) return;
    at.regions.hidden = !this.held;
    if (!this.held) return at.regions.replaceChildren();
    const on = make("input", { type: "checkbox", checked: this.shown, onchange: () => ((this.shown = on.checked), this.viewer.redraw()) });
    const names = this.held.regions.map(({ label, colour }) => {
      const mark = make("i");
      mark.style.background = colour;
      return make("span", {}, mark, label);
    });
    return at.regions.replaceChildren(make("label", {}, on, word("mask")), ...names);
  }
}
