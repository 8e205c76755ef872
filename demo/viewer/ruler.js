// Lengths measured on a slice: while the ruler is on, a drag draws a line, and the line stays with its slice.

const LEAST = 4; // pixels of the screen: less is a click

export class Ruler {
  constructor(viewer) {
    Object.assign(this, { viewer, on: false, lines: [], drawing: null });
  }

  /** Put the ruler on or off; off, the lines stay. */
  toggle(on = !this.on) {
    this.on = on;
    this.viewer.at.measure.setAttribute("aria-pressed", String(on));
    this.viewer.at.stage.classList.toggle("measuring", on);
  }

  /** Forget the lines: of the slice shown, or all. */
  clear(all = true) {
    const here = all ? null : this.nameOf(this.viewer.shown);
    this.lines = all ? [] : this.lines.filter((line) => line.of !== here);
    this.drawing = null;
  }

  start(event) {
    const from = this.pointOf(event);
    if (from) this.drawing = { of: this.nameOf(this.viewer.shown), from, to: from };
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

  /** Draw the lines of the slice shown, and say how long the last is. */
  draw(pen, place, shown) {
    const own = this.nameOf(shown);
    const here = [...this.lines, ...(this.drawing ? [this.drawing] : [])].filter((line) => line.of === own);
    for (const line of here) drawLine(pen, onScreen(line, place, shown.pixels), this.words(line, shown));
    return here.length ? this.words(here.at(-1), shown) : "";
  }

  words({ from, to }, { plane }) {
    const [, down, across] = plane.spacing || [0, 1, 1];
    const length = Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
    const where = plane.measured === "detector" ? ` ${this.viewer.word("detector")}` : "";
    return plane.spacing ? `${length.toFixed(1)} mm${where}` : `${length.toFixed(1)} ${this.viewer.word("pixels")}`;
  }

  nameOf(shown) {
    return shown ? `${shown.series.key} ${shown.planeName} ${shown.k}` : "";
  }

  /** Where the pointer is, in pixels of the slice; null beyond it. */
  pointOf(event) {
    const { place, shown, at } = this.viewer;
    if (!place || !shown) return null;
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
  pen.lineWidth = 3.5;
  for (const colour of ["#000", "#7fe3c0"]) {
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
    pen.lineWidth = 1.5;
  }
  pen.font = "600 13px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  pen.strokeStyle = "#000";
  pen.lineWidth = 3;
  pen.strokeText(words, Math.max(x0, x1) + 4, Math.min(y0, y1) - 2);
  pen.fillStyle = "#7fe3c0";
  pen.fillText(words, Math.max(x0, x1) + 4, Math.min(y0, y1) - 2);
}
