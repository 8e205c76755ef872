// Raw planes from the server: fetched, kept, fetched ahead; and their grey levels as pictures.

const KEPT = 192 * 1024 * 1024; // bytes
const AHEAD = 24; // planes in the direction of scrolling
const BEHIND = 8;
const AT_ONCE = 3; // requests ahead of need; browsers allow six to a host, and the page needs some

/** The planes of one study. */
export class PlaneStore {
  constructor(base, study) {
    this.root = `${base}/studies/${encodeURIComponent(study)}/series`;
    this.kept = new Map(); // path -> plane, the one used last at the end
    this.bytes = 0;
    this.underWay = new Map(); // path -> {promise, stop}
    this.queue = [];
  }

  /** Return a plane that is here already, or undefined. */
  peek(series, plane, k) {
    const path = this.path(series, plane, k);
    const found = this.kept.get(path);
    if (found) {
      this.kept.delete(path);
      this.kept.set(path, found);
    }
    return found;
  }

  /** Keep a plane that came with something else. */
  hold(series, plane, k, pixels) {
    this.keep(this.path(series, plane, k), pixels);
  }

  /** Return a promise of a plane {values, kind, rows, columns}. */
  get(series, plane, k) {
    const found = this.peek(series, plane, k);
    return found ? Promise.resolve(found) : this.fetch(this.path(series, plane, k));
  }

  /** Fetch the neighbours of k, those in direction `step` (1 or -1) first; what was queued before is dropped. */
  ahead(series, plane, k, count, step) {
    const order = [];
    for (let n = 1; n <= AHEAD; n++) {
      order.push(k + step * n);
      if (n <= BEHIND) order.push(k - step * n);
    }
    this.queue = order.filter((n) => n >= 0 && n < count).map((n) => this.path(series, plane, n))
      .filter((path) => !this.kept.has(path));
    this.pump();
  }

  /** Stop every request and forget every plane. */
  close() {
    this.queue = [];
    for (const { stop } of this.underWay.values()) stop.abort();
    this.kept.clear();
    this.bytes = 0;
  }

  path(series, plane, k) {
    return `${this.root}/${encodeURIComponent(series)}/${plane}/${k}`;
  }

  pump() {
    while (this.queue.length && this.underWay.size < AT_ONCE) {
      const path = this.queue.shift();
      if (!this.kept.has(path)) this.fetch(path).catch(() => {}); // asked again when it is needed
    }
  }

  fetch(path) {
    const already = this.underWay.get(path);
    if (already) return already.promise;
    const stop = new AbortController();
    const promise = read(path, stop.signal).then((plane) => {
      this.keep(path, plane);
      return plane;
    }).finally(() => {
      this.underWay.delete(path);
      this.pump();
    });
    this.underWay.set(path, { promise, stop });
    return promise;
  }

  keep(path, plane) {
    this.kept.set(path, plane);
    this.bytes += plane.values.byteLength;
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= KEPT || oldest === path) break;
      this.kept.delete(oldest);
      this.bytes -= old.values.byteLength;
    }
  }
}

async function read(path, signal) {
  const answer = await fetch(path, { signal });
  if (!answer.ok) throw await problemOf(answer);
  return planeOf(answer, await answer.arrayBuffer());
}

/** Return what can be shown first {scene, whole, series, plane, k, pixels}; null where there is nothing. */
export async function openingOf(base, study) {
  const answer = await fetch(`${base}/studies/${encodeURIComponent(study)}/opening`);
  if (answer.status !== 200) return null;
  const buffer = await answer.arrayBuffer();
  const line = new Uint8Array(buffer).indexOf(10);
  return { ...JSON.parse(new TextDecoder().decode(buffer.slice(0, line))), pixels: planeOf(answer, buffer.slice(line + 1)) };
}

function planeOf(answer, buffer) {
  const kind = answer.headers.get("X-Kind");
  const values = kind === "int16" ? new Int16Array(buffer) : kind === "float32" ? new Float32Array(buffer) : new Uint8Array(buffer);
  return { values, kind, rows: Number(answer.headers.get("X-Rows")), columns: Number(answer.headers.get("X-Columns")) };
}

/** Return an Error of an answer that is no success, with the server's own sentence where it has one. */
export async function problemOf(answer) {
  const said = await answer.json().catch(() => ({}));
  const error = new Error(typeof said.detail === "string" ? said.detail : `HTTP ${answer.status}`);
  error.reason = said.reason_code || "";
  return error;
}

/** Return a function from a voxel's value to a level 0..255, as retrieval.imaging.windows and .display map it. */
export function leveller(display) {
  const { level, width, function: kind, table, table_first: first, inverted } = display;
  const turn = inverted ? (y) => 255 - y : (y) => y;
  if (kind === "TABLE") {
    const last = table.length - 1;
    return (x) => turn(table[Math.trunc(Math.min(Math.max(x - first, 0), last))]);
  }
  if (kind === "SIGMOID") return (x) => turn(Math.floor(255 / (1 + Math.exp((-4 * (x - level)) / width)) + 0.5));
  const [centre, span] = kind === "LINEAR" ? [level - 0.5, Math.max(width - 1, 1e-6)] : [level, width];
  const low = centre - span / 2;
  return (x) => turn(Math.floor(Math.min(Math.max((x - low) / span, 0), 1) * 255 + 0.5) || 0); // NaN is black
}

/** Draw a plane's grey levels, or its colours, into a canvas of its own pixels. */
export class Shader {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.drawn = ""; // what the canvas shows
    this.table = null;
    this.tableOf = null; // the display that it is of
  }

  /** Return the canvas with that plane; `key` names the plane, so that nothing is drawn twice. */
  draw(plane, display, key) {
    const look = plane.kind === "rgb" ? "rgb" : JSON.stringify([display.name, display.level, display.width, display.function, display.inverted]);
    const name = `${key} ${look}`;
    if (name === this.drawn) return this.canvas;
    if (this.canvas.width !== plane.columns || this.canvas.height !== plane.rows) {
      this.canvas.width = plane.columns;
      this.canvas.height = plane.rows;
      this.image = null;
    }
    const context = this.canvas.getContext("2d");
    this.image ||= context.createImageData(plane.columns, plane.rows);
    this.fill(new Uint32Array(this.image.data.buffer), plane, display);
    context.putImageData(this.image, 0, 0);
    this.drawn = name;
    return this.canvas;
  }

  fill(out, plane, display) {
    const { values, kind } = plane;
    if (kind === "rgb") {
      for (let i = 0, j = 0; i < out.length; i++, j += 3) {
        out[i] = 0xff000000 | (values[j + 2] << 16) | (values[j + 1] << 8) | values[j];
      }
      return;
    }
    const grey = leveller(display);
    if (kind === "float32") {
      for (let i = 0; i < out.length; i++) out[i] = 0xff000000 | (grey(values[i]) * 0x010101);
      return;
    }
    if (this.tableOf !== display) {
      this.table ||= new Uint32Array(65536);
      for (let x = 0; x < 65536; x++) this.table[x] = 0xff000000 | (grey(x - 32768) * 0x010101);
      this.tableOf = display;
    }
    for (let i = 0; i < out.length; i++) out[i] = this.table[values[i] + 32768];
  }
}
