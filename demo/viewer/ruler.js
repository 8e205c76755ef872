// Lengths and regions measured on a slice: while one of the tools is on, a drag draws, and what is drawn stays with its slice.

import { statistics } from "./region_values.js";
import { tidy } from "./paint.js";

const LEAST = 4; // pixels of the screen: less is a click

export class Ruler {
  constructor(viewer) {
    Object.assign(this, { viewer, kind: "", lines: [], drawing: null });
  }

  get on() {
    return this.kind !== "";
  }

  /** Put a tool on, "line" or "oval", or off; off, what was drawn stays. */
  toggle(kind = "line") {
    this.kind = this.kind === kind ? "" : kind;
    this.viewer.at.measure.setAttribute("aria-pressed", String(this.kind === "line"));
    this.viewer.at.oval.setAttribute("aria-pressed", String(this.kind === "oval"));
    this.viewer.at.stage.classList.toggle("measuring", this.on);
  }

  /** Forget what was drawn: on the slice shown, or all. */
  clear(all = true) {
    const here = all ? null : this.nameOf(this.viewer.shown);
    this.lines = all ? [] : this.lines.filter((line) => line.of !== here);
    this.drawing = null;
  }

  start(event) {
    const from = this.pointOf(event);
    if (from) this.drawing = { of: this.nameOf(this.viewer.shown), kind: this.kind, from, to: from };
  }

  move(event) {
    const to = this.drawing && this.pointOf(event);
    if (!to) return;
    this.drawing.to = to;
    this.viewer.redraw(true);
  }

  end() {
    const { place, shown } = this.viewer;
    if (this.drawing && place && onScreen(this.drawing, place, shown.pixels).length >= LEAST) this.lines.push(this.drawing);
    this.drawing = null;
    this.viewer.redraw();
  }

  /** What is drawn on a slice. */
  here(shown) {
    const own = this.nameOf(shown);
    return [...this.lines, ...(this.drawing ? [this.drawing] : [])].filter((line) => line.of === own);
  }

  /** Draw what is on the slice shown, and say what the last measures. */
  draw(pen, place, shown) {
    const here = this.here(shown);
    for (const line of here) (line.kind === "oval" ? drawOval : drawLine)(pen, onScreen(line, place, shown.pixels), this.words(line, shown));
    return here.length ? this.words(here.at(-1), shown) : "";
  }

  /** What is kept of the slice shown: every shape, and what they measure. */
  kept(shown) {
    const here = this.here(shown);
    return { text: here.map((line) => this.words(line, shown)).join("; "), shapes: here.map(({ kind, from, to }) => ({ kind, from, to })) };
  }

  /** Draw again what was kept of the slice shown. */
  restore(shapes, shown) {
    const of = this.nameOf(shown);
    this.lines = [...this.lines.filter((line) => line.of !== of), ...shapes.map(({ kind, from, to }) => ({ of, kind, from, to }))];
    this.viewer.redraw();
  }

  words(line, shown) {
    return line.kind === "oval" ? this.ovalWords(line, shown) : this.lineWords(line, shown);
  }

  lineWords({ from, to }, { plane }) {
    const [, down, across] = plane.spacing || [0, 1, 1];
    const length = Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
    return plane.spacing ? `${length.toFixed(1)} mm${this.where(plane)}` : `${length.toFixed(1)} ${this.viewer.word("pixels")}`;
  }

  ovalWords({ from, to }, { plane, pixels, series }) {
    const found = statistics(pixels, from, to);
    if (!found) return "";
    const [, down, across] = plane.spacing || [0, 1, 1];
    const area = found.count * down * across;
    const unit = series.unit === "raw" ? "" : ` ${series.unit}`;
    const size = plane.spacing ? `${area.toFixed(0)} mm\u00b2${this.where(plane)}` : `${found.count} ${this.viewer.word("pixels")}`;
    const [mean, sd, min, max] = [found.mean, found.sd, found.min, found.max].map((value) => tidy(Math.abs(value) >= 10 ? Math.round(value * 10) / 10 : value).replace("-", "\u2212"));
    return this.viewer.word("region", { mean, sd, min, max, unit, size });
  }

  where(plane) {
    return plane.measured === "detector" ? ` ${this.viewer.word("detector")}` : "";
  }

  nameOf(shown) {
    return shown ? `${shown.series.key} ${shown.planeName} ${shown.k}` : "";
  }

  /** Where the pointer is, in pixels of the slice; null beyond it. */
  pointOf(event) {
    const { place, shown, scene, at } = this.viewer;
    if (!place || !shown || !scene) return null;
    const box = at.stage.getBoundingClientRect();
    const x = ((event.clientX - box.left - place.x) / place.width) * shown.pixels.columns;
    const y = ((event.clientY - box.top - place.y) / place.height) * shown.pixels.rows;
    return x >= 0 && y >= 0 && x <= shown.pixels.columns && y <= shown.pixels.rows ? [x, y] : null;
  }
}

function onScreen({ from, to }, place, pixels) {
  const x = (one) => place.x + (one[0] / pixels.columns) * place.width;
  const y = (one) => place.y + (one[1] / pixels.rows) * place.height;
  const ends = [x(from), y(from), x(to), y(to)];
  return { ends, length: Math.hypot(ends[2] - ends[0], ends[3] - ends[1]) };
}

function drawLine(pen, { ends: [x0, y0, x1, y1] }, words) {
  stroke(pen, () => {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  });
  write(pen, words, Math.max(x0, x1) + 4, Math.min(y0, y1) - 2);
}

function drawOval(pen, { ends: [x0, y0, x1, y1] }, words) {
  stroke(pen, () => pen.ellipse((x0 + x1) / 2, (y0 + y1) / 2, Math.abs(x1 - x0) / 2, Math.abs(y1 - y0) / 2, 0, 0, 2 * Math.PI));
  write(pen, words, Math.min(x0, x1), Math.max(y0, y1) + 18);
}

function stroke(pen, path) {
  pen.lineWidth = 3.5;
  for (const colour of ["#000", "#7fe3c0"]) {
    pen.strokeStyle = colour;
    pen.beginPath();
    path();
    pen.stroke();
    pen.lineWidth = 1.5;
  }
}

/** Words beside a shape, on the stage however near its edge the shape is. */
function write(pen, words, x, y) {
  pen.font = "600 13px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  pen.strokeStyle = "#000";
  pen.lineWidth = 3;
  const wide = pen.canvas.clientWidth || Infinity;
  const left = Math.max(2, Math.min(x, wide - pen.measureText(words).width - 4));
  const top = Math.max(16, Math.min(y, (pen.canvas.clientHeight || Infinity) - 2));
  pen.strokeText(words, left, top);
  pen.fillStyle = "#7fe3c0";
  pen.fillText(words, left, top);
}
