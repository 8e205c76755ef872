// The viewer: mount(element, {base, study, series, z, finding, lang, words}) -> handle. See docs/viewer.md.

import { Cine } from "./cine.js";
import { build, choices, make } from "./controls.js";
import { listen } from "./gestures.js";
import { writeKeyMap } from "./key_map.js";
import { MaskOverlay } from "./mask_overlay.js";
import { paint, placed, positionOf, scaleBar, tidy, wipe } from "./paint.js";
import { openingOf, PlaneStore, problemOf, Shader } from "./pixels.js";
import { drawProfile, sliceAt } from "./profile.js";
import { Ruler } from "./ruler.js";
import { presetName, vocabulary } from "./words.js";

const LOADING_AFTER = 150; // ms before "loading" is said
const FARTHEST = 20; // zoom
const REST = 120; // ms without a step or a drag

/** Put a viewer into an element and return its handle: show, clear, link, onslice, speak, destroy. */
export function mount(element, options = {}) {
  return new Viewer(element, options).handle;
}

class Viewer {
  constructor(element, { base = new URL(".", import.meta.url).pathname.replace(/\/$/, ""), lang = "en", words = {}, ...first }) {
    Object.assign(this, { base, element, listeners: new Set(), links: new Map() });
    this.shader = new Shader();
    this.asked = 0; // counts questions, so that late answers are dropped
    this.opacity = 0.6;
    this.heatShown = true;
    this.moved = 0; // when the reader moved last
    this.rests = 0; // the timer of a redraw once it rests
    this.ruler = new Ruler(this);
    this.cine = new Cine(this);
    this.mask = new MaskOverlay(this);
    this.reset();
    const root = element.shadowRoot || element.attachShadow({ mode: "open" });
    const sheet = make("link", { rel: "stylesheet", href: new URL("viewer.css", import.meta.url).href });
    root.replaceChildren(sheet);
    this.at = build(root);
    this.at.whole.hidden = true; // a slice drawn without the sheet would have another size
    for (const end of ["load", "error"]) sheet.addEventListener(end, () => (this.at.whole.hidden = false));
    this.stop = listen(this);
    this.sight = new ResizeObserver(() => this.redraw());
    this.sight.observe(this.at.stage);
    this.speak(lang, words);
    this.handle = {
      show: (what) => this.show(what),
      link: (other, how) => this.link(other.viewer, how),
      picked: () => this.picked(),
      onkeep: (tell) => ((this.keeper = tell), this.redraw()),
      onslice: (tell) => (this.listeners.add(tell), () => this.listeners.delete(tell)),
      speak: (to, own) => this.speak(to, own),
      clear: () => this.clear(),
      destroy: () => this.destroy(),
      viewer: this,
    };
    if (first.study) this.show(first);
  }

  reset() {
    this.scene = null;
    this.series = null;
    this.planeName = "";
    this.k = 0;
    this.step = 1;
    this.display = null;
    this.look = { zoom: 1, panX: 0, panY: 0 };
    this.shown = null; // {plane, k, pixels}: what the canvas shows
    this.heat = null; // the server's answer, with `pictures` as they come
    this.ruler.clear();
    this.mask.clear();
    this.displays = new Map(); // series key -> the display chosen for it
  }

  get plane() {
    return this.series && this.series.planes[this.planeName];
  }

  // ---- what is asked of it -------------------------------------------------------------------------------------

  /** Show a study, or a series, slice, view or finding of the one shown; what is left out stays as it is. */
  async show({ study, series, z, plane, k, view, level, width, finding, lang, like, shapes, mask } = {}) {
    if (lang) this.speak(lang);
    const request = ++this.asked;
    try {
      if (study && study !== (this.scene && this.scene.study)) await this.open(study, request);
      if (request !== this.asked || !this.scene) return;
      const wanted = this.scene.series.find((one) => one.key === series) || hungLike(this.scene.series, like);
      if (wanted && wanted !== this.series) this.chooseSeries(wanted);
      if (plane && this.series.planes[plane]) this.choosePlane(plane);
      if (view) this.choosePreset(view);
      if (Number.isInteger(z)) this.goNative(z);
      if (Number.isInteger(k)) this.goTo(k, true);
      this.anchorAll();
      this.leadAll();
      if (finding !== undefined && finding !== (this.heat ? this.heat.asked : "")) {
        await this.askHeat(finding, request, Number.isInteger(z) || Number.isInteger(k));
      }
      if (mask !== undefined && request === this.asked) await this.mask.ask(mask);
      if (request === this.asked && level !== undefined && width !== undefined) this.setWindow(level, width);
      await this.arrive();
      if (shapes && request === this.asked && this.shown) this.ruler.restore(shapes, this.shown);
    } catch (error) {
      if (request === this.asked) this.fail(error);
    }
  }

  /** Show nothing, until a study is asked for: what was asked before is not waited for. */
  clear() {
    this.asked++;
    this.empty();
  }

  /** Let go of the study shown: from here on nothing of it is to be seen, whether or not another can be. */
  empty() {
    this.cine.toggle(false);
    if (this.store) this.store.close();
    this.store = null;
    this.reset();
    this.blank();
    this.label();
    this.message("loading");
  }

  async open(study, request) {
    this.empty();
    const first = await openingOf(this.base, study).catch(() => null); // the study itself may come all the same
    if (request !== this.asked) return;
    if (first && !first.whole) this.showOpening(first);
    const scene = first && first.whole ? first.scene : await sceneOf(`${this.base}/studies/${encodeURIComponent(study)}`);
    if (request === this.asked) await this.enter(study, scene, request, first);
  }

  /** Show one slice for as long as the study is being read. */
  showOpening({ scene, pixels }) {
    const [series] = scene.series;
    for (const preset of series.presets) unpack(preset);
    this.shown = { pixels, series, planeName: series.plane, k: 0, plane: series.planes[series.plane], display: asDisplay(series.presets[0], series) };
    this.message("");
    this.say("reading");
    this.redraw(true);
  }

  /** Show a study whose scene is here; `first`: the plane that came with it, if one did. */
  async enter(study, scene, request, first) {
    if (!scene.series.length) throw new Error(this.word(scene.reason || "no_images"));
    this.store = new PlaneStore(this.base, study);
    for (const series of scene.series) for (const preset of series.presets) unpack(preset);
    const hangs = hung(scene.series);
    if (first && first.whole) this.store.hold(first.series, first.plane, first.k, first.pixels);
    else if (this.shown) await this.store.get(hangs.key, hangs.plane, middle(hangs.planes[hangs.plane])).catch(() => {}); // no gap between the two
    if (request !== this.asked) return;
    this.scene = scene;
    this.label();
    this.chooseSeries(hangs);
  }

  async askHeat(finding, request, stay) {
    this.heat = null;
    this.label();
    if (!finding) return this.redraw();
    this.say("heat_loading", { finding: finding.replaceAll("_", " ") });
    let heat;
    try {
      heat = await heatOf(`${this.base}/studies/${encodeURIComponent(this.scene.study)}/heat`, finding, this.lang);
    } catch (error) {
      if (request === this.asked) this.say("no_map", { why: this.reasonOf(error) }); // the images are here all the same
      return undefined;
    }
    if (request !== this.asked) return undefined;
    this.heat = { ...heat, asked: finding, pictures: new Map() };
    const series = this.scene.series.find((one) => one.key === this.heat.series);
    if (!series) return this.label();
    const moved = series !== this.series;
    if (moved) this.chooseSeries(series);
    this.choosePreset(this.heat.view);
    if (moved || !stay) this.goNative(this.heat.z);
    this.anchorAll();
    this.label();
    return this.fetchLayers(this.heat);
  }

  async fetchLayers(heat) {
    const study = encodeURIComponent(this.scene.study);
    const fetched = await Promise.allSettled(Object.keys(heat.layers).map(async (z) => {
      const answer = await fetch(`${this.base}/studies/${study}/heat/${heat.token}/${z}`);
      if (!answer.ok) throw await problemOf(answer);
      heat.pictures.set(Number(z), await createImageBitmap(await answer.blob()));
    }));
    const failed = fetched.find((one) => one.status === "rejected");
    if (failed && heat === this.heat) this.say("no_map", { why: this.reasonOf(failed.reason) });
    this.redraw();
  }

  // ---- choosing ------------------------------------------------------------------------------------------------

  chooseSeries(series) {
    this.series = series;
    this.shown = null; // its slices are not shown under another series' name, or in its window
    this.blank();
    this.look = { zoom: 1, panX: 0, panY: 0 };
    this.display = this.displays.get(series.key) || asDisplay(series.presets[0], series);
    this.planeName = "";
    this.choosePlane(series.plane);
  }

  choosePlane(name, fromLink = false) {
    if (!this.series || !this.series.planes[name] || name === this.planeName) return;
    this.planeName = name;
    this.k = middle(this.plane);
    this.look = { zoom: 1, panX: 0, panY: 0 };
    this.label();
    this.goTo(this.k, true);
    if (fromLink) return;
    for (const other of this.links.keys()) other.choosePlane(name, true);
    this.anchorAll();
  }

  choosePreset(name) {
    const preset = this.series && this.series.presets.find((one) => one.name === name);
    if (preset) this.setDisplay(asDisplay(preset, this.series));
  }

  /** Level and width, dragged or typed; a table becomes the straight window of the same range. */
  setWindow(level, width) {
    if (!this.display || !Number.isFinite(level) || !Number.isFinite(width)) return;
    const named = this.series.presets.find((one) => one.level === level && one.width === width && !one.table);
    if (named) return this.setDisplay(asDisplay(named, this.series));
    const kind = this.display.function === "TABLE" ? "LINEAR_EXACT" : this.display.function;
    const least = this.series.unit === "HU" ? 1 : Math.abs(this.widest() / 4096) || 1e-6;
    this.setDisplay({ ...this.display, name: "custom", level, width: Math.max(width, least), function: kind, table: null });
  }

  setDisplay(display) {
    this.display = display;
    this.displays.set(this.series.key, display);
    const { level, width, window: select } = this.at;
    level.value = tidy(display.level);
    width.value = tidy(display.width);
    select.value = display.name;
    this.redraw(true);
  }

  widest() {
    const full = this.series.presets[this.series.presets.length - 1];
    return full ? full.width : 255;
  }

  zoomBy(factor, x = 0, y = 0) {
    const zoom = Math.min(Math.max(this.look.zoom * factor, 0.25), FARTHEST);
    const by = zoom / this.look.zoom; // the point (x, y) from the middle stays where it is
    this.look = { zoom, panX: x - (x - this.look.panX) * by, panY: y - (y - this.look.panY) * by };
    this.redraw(true);
  }

  panBy(x, y) {
    this.look = { ...this.look, panX: this.look.panX + x, panY: this.look.panY + y };
    this.redraw(true);
  }

  fit() {
    this.look = { zoom: 1, panX: 0, panY: 0 };
    this.redraw();
  }

  restart() {
    if (!this.series) return;
    this.fit();
    const view = this.heat && this.heat.series === this.series.key ? this.heat.view : "";
    const preset = this.series.presets.find((one) => one.name === view) || this.series.presets[0];
    if (preset) this.setDisplay(asDisplay(preset, this.series));
  }

  showHeat(on) {
    this.heatShown = on;
    this.at.heatOn.checked = on;
    this.redraw();
  }

  // ---- slices --------------------------------------------------------------------------------------------------

  /** Go down by n slices: towards the feet in axial planes, else as they are numbered. */
  down(n) {
    this.cine.toggle(false);
    this.goTo(this.k + (this.planeName === "axial" ? -n : n));
  }

  /** Go to a slice as it was acquired; `alone`: linked viewers stay where they are. */
  goNative(z, alone = true) {
    this.choosePlane(this.series.plane);
    this.goTo(z, alone);
  }

  goTo(k, fromLink = false) {
    if (!this.plane) return;
    const target = Math.min(Math.max(Math.round(k), 0), this.plane.count - 1);
    this.step = target < this.k ? -1 : 1;
    this.k = target;
    this.at.slider.value = target;
    const here = this.store.peek(this.series.key, this.planeName, target);
    if (here) this.take(here, this.series, this.planeName, target);
    else this.arrive();
    if (!fromLink) for (const [other, anchor] of this.links) other.follow(this, anchor);
  }

  /** Fetch the slice that is wanted, if it is not here, and show it. */
  async arrive() {
    const { series, planeName, k } = this;
    if (!this.plane) return;
    const wanted = () => series === this.series && planeName === this.planeName && k === this.k;
    const late = setTimeout(() => wanted() && this.message("loading"), LOADING_AFTER);
    try {
      const pixels = await this.store.get(series.key, planeName, k);
      if (wanted()) this.take(pixels, series, planeName, k);
    } catch (error) {
      if (error.name !== "AbortError" && wanted()) this.fail(error);
    } finally {
      clearTimeout(late);
    }
  }

  take(pixels, series, planeName, k) {
    this.shown = { pixels, series, planeName, k, plane: series.planes[planeName] };
    this.message("");
    this.redraw(true);
    this.store.ahead(series.key, planeName, k, this.plane.count, this.step);
  }

  // ---- two viewers in step -------------------------------------------------------------------------------------

  /** Scroll together; `position`: at one place in mm of the patient; `apart`: keeping the distance that they have now. */
  link(other, { position = false, apart = false } = {}) {
    const [own, others] = [this.depth(), other.depth()];
    const offset = position ? (apart && own !== null && others !== null ? others - own : 0) : null;
    this.links.set(other, { offset });
    other.links.set(this, { offset: offset === null ? null : -offset });
    this.anchorAll();
    this.leadAll();
    return () => {
      this.links.delete(other);
      other.links.delete(this);
    };
  }

  /** From here on, linked viewers keep the distance that they have now. */
  anchorAll() {
    for (const [other, { offset }] of this.links) {
      this.links.set(other, { own: this.k, others: other.k, offset });
      other.links.set(this, { own: other.k, others: this.k, offset: offset === null ? null : -offset });
    }
  }

  /** Viewers linked by position come along, whatever brought this one where it is. */
  leadAll() {
    for (const [other, anchor] of this.links) if (anchor.offset !== null) other.follow(this, anchor);
  }

  /** Where the slice lies along its own axis, in mm; null without geometry. */
  depth() {
    return this.plane && this.plane.centres ? along(this.plane, centreOf(this.plane, this.k)) : null;
  }

  /** Hand what is measured on this slice to whoever keeps it. */
  keepMeasured() {
    if (!this.keeper || !this.shown) return;
    const { text, shapes } = this.ruler.kept(this.shown);
    const { series, planeName, k } = this.shown;
    if (shapes.length) this.keeper({ study: this.scene.study, text, place: { series: series.key, plane: planeName, k, shapes } });
  }

  /** What is looked at, for another study to be hung like it. */
  picked() {
    if (!this.series || !this.display) return {};
    const { modality, body_part, description } = this.series;
    const { level, width } = this.display;
    return { like: { modality, body_part, description, plane: this.series.plane }, plane: this.planeName, level, width };
  }

  follow(leader, anchor) {
    if (!this.plane || !leader.plane || this.planeName !== leader.planeName || !anchor) return;
    const [theirs, mine] = [leader.plane, this.plane];
    if (anchor.offset !== null && theirs.centres && mine.centres) {
      const there = along(mine, centreOf(theirs, leader.k)) + anchor.offset;
      this.goTo((there - along(mine, centreOf(mine, 0))) / (along(mine, centreOf(mine, 1)) - along(mine, centreOf(mine, 0)) || 1), true);
      return;
    }
    const measured = theirs.spacing && mine.spacing && theirs.spacing[0] > 0 && mine.spacing[0] > 0;
    const each = measured ? theirs.spacing[0] / mine.spacing[0] : mine.count / theirs.count;
    this.goTo(anchor.others + (leader.k - anchor.own) * each, true);
  }

  // ---- drawing -------------------------------------------------------------------------------------------------

  /** Draw in the next frame; `moving`: the reader is at it, so that speed goes before smoothness. */
  redraw(moving = false) {
    if (moving) this.moved = performance.now();
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const { stage, canvas } = this.at;
    const [wide, high] = [stage.clientWidth, stage.clientHeight];
    if (!this.shown) return this.blank();
    if (!wide || !high) return;
    const { pixels, series, planeName, k, plane } = this.shown;
    const picture = this.shader.draw(pixels, this.displayNow() || {}, `${series.key} ${planeName} ${this.scene ? k : "opening"}`);
    const place = placed(plane, wide, high, this.look);
    const layer = this.heatShown ? this.layerOf(this.shown) : null;
    paint(canvas, wide, high, place, picture, layer, this.opacity, this.quality());
    this.place = place;
    this.mask.draw(canvas.getContext("2d"), place, this.shown);
    this.measured = this.ruler.draw(canvas.getContext("2d"), place, this.shown);
    this.at.keep.hidden = !this.measured || !this.keeper;
    this.write(place, wide);
    this.tellOf();
  }

  /** How the grey levels of what is shown are; null of colours. */
  displayNow() {
    return this.scene ? this.display : this.shown.display;
  }

  /** Leave the stage empty: nothing drawn on it, nothing written beside it. */
  blank() {
    const { at } = this;
    wipe(at.canvas);
    this.place = null;
    this.announced = "";
    for (const one of [at.topLeft, at.topRight, at.bottomLeft, at.bottomRight, at.sides, at.rulerWords, ...at.edges]) one.textContent = "";
    at.ruler.hidden = true;
    at.stage.setAttribute("aria-label", this.word("viewer"));
    at.slider.removeAttribute("aria-valuetext");
  }

  /** How to smooth: quickly while the reader moves, and well once it rests; without a GPU that is 4 or 11 ms a frame. */
  quality() {
    const resting = performance.now() - this.moved > REST;
    if (!resting && !this.rests) {
      this.rests = setTimeout(() => {
        this.rests = 0;
        this.redraw();
      }, REST + 10);
    }
    return resting ? "high" : "low";
  }

  layerOf({ series, plane, k }) {
    const { heat } = this;
    return heat && heat.series === series.key && plane.native ? heat.pictures.get(k) || null : null;
  }

  tellOf() {
    if (!this.scene) return; // one slice, whose number nobody knows yet
    const { series, planeName, k, plane } = this.shown;
    const { level, width } = this.display || {};
    const name = `${series.key} ${planeName} ${k} ${level} ${width}`;
    if (name === this.announced) return;
    this.announced = name;
    const event = { study: this.scene.study, series: series.key, plane: planeName, k, z: plane.native ? k : null, count: plane.count, level, width };
    for (const tell of this.listeners) tell(event);
  }

  // ---- words ---------------------------------------------------------------------------------------------------

  /** Change the language, and words of the page's own; what is shown stays. */
  speak(lang, own = this.ownWords) {
    this.lang = lang === "zh" || /^zh/i.test(lang) ? "zh" : "en";
    this.ownWords = own;
    this.word = vocabulary(this.lang, own);
    const { at, word } = this;
    at.whole.lang = this.lang === "zh" ? "zh-Hans" : "en";
    at.whole.setAttribute("aria-label", word("viewer"));
    at.bar.setAttribute("aria-label", word("tools"));
    at.planes.setAttribute("aria-label", word("plane"));
    for (const name of ["series", "window", "level", "width"]) at[`${name}Name`].textContent = word(name);
    at.zoomOut.setAttribute("aria-label", word("zoom_out"));
    at.zoomIn.setAttribute("aria-label", word("zoom_in"));
    at.fit.textContent = word("fit");
    at.png.textContent = word("png");
    at.png.title = word("png_title");
    for (const name of ["cine", "measure", "help_button"]) {
      at[name].title = word(name);
      at[name].setAttribute("aria-label", word(name));
    }
    for (const name of ["measure", "oval", "keep"]) at[name].textContent = word(name);
    at.keep.title = word("keep_title");
    writeKeyMap(this);
    at.heatName.textContent = word("heat");
    this.mask.speak();
    at.opacity.setAttribute("aria-label", word("opacity"));
    at.slider.setAttribute("aria-label", word("slice_slider"));
    at.keys.setAttribute("aria-label", word("key_slices"));
    at.help.textContent = word("help");
    at.notice.textContent = word("notice");
    this.label();
  }

  /** Put the words of this study, series and finding in place. */
  label() {
    const { at, scene, series, word } = this;
    at.say.textContent = "";
    if (this.said) this.message(this.said);
    at.bar.classList.toggle("empty", !series);
    if (!series) return this.labelNothing();
    choices(at.series, scene.series.map((one, n) => [one.key, seriesWords(one, n)]), series.key);
    at.series.parentElement.hidden = scene.series.length < 2;
    const names = Object.keys(series.planes);
    at.planes.hidden = names.length < 2;
    at.planes.replaceChildren(...["axial", "coronal", "sagittal"].filter((name) => names.includes(name)).map((name) => make("button", {
      type: "button", value: name, textContent: word(name), "aria-pressed": String(name === this.planeName),
      onclick: () => this.choosePlane(name),
    })));
    this.labelWindow();
    at.slider.max = this.plane ? this.plane.count - 1 : 0;
    at.slider.value = this.k;
    at.slider.hidden = !this.plane || this.plane.count < 2;
    this.labelCautions();
    this.labelHeat();
    this.redraw();
  }

  labelNothing() {
    const { at } = this;
    for (const one of [at.heat, at.slider, at.profile, at.keys, at.legend, at.cautions]) one.hidden = true;
    for (const one of [at.series, at.keys, at.legend, at.cautions]) one.replaceChildren();
  }

  labelWindow() {
    const { at, series, word, display } = this;
    for (const name of ["window", "level", "width"]) at[name].parentElement.hidden = !display;
    if (!display) return;
    const offered = series.presets.map((one, n) => [one.name, n < 9 ? `${presetName(word, one.name)} (${n + 1})` : presetName(word, one.name)]);
    choices(at.window, [...offered, ["custom", word("custom")]], display.name);
    at.level.value = tidy(display.level);
    at.width.value = tidy(display.width);
  }

  labelCautions() {
    const { at, series, lang } = this;
    const said = series.warnings.map((one) => one[lang] || one.en);
    if (this.plane && !this.plane.native && series.warnings.some((one) => one.code === "gantry_tilt")) said.push(this.word("tilted"));
    at.cautions.replaceChildren(...said.map((textContent) => make("li", { textContent })));
    at.cautions.hidden = !said.length;
  }

  labelHeat() {
    const { at, heat, word } = this;
    const drawn = Boolean(heat && heat.token);
    at.heat.hidden = !drawn;
    at.legend.hidden = !drawn;
    at.profile.hidden = !heat || heat.profile.length < 2;
    at.keys.hidden = at.profile.hidden;
    if (!heat) return;
    const finding = this.findingName();
    if (heat.reason) this.say("no_map", { why: word(heat.reason) });
    else if (heat.profile.length && heat.profile.every(([, margin]) => margin < 0)) this.say("below_zero", { finding });
    for (const place of ["outside", "metal"]) {
      if ((heat[place] || []).length) at.say.textContent += ` ${word(`hot_${place}`, { list: heat[place].map((z) => z + 1).join(", ") })}`;
    }
    at.profile.setAttribute("aria-label", word("profile", { finding }));
    at.keys.replaceChildren(make("span", { textContent: `${word("profile", { finding })} \u00b7 ${word("key_slices")}` }),
      ...heat.key_slices.map((z) => make("button", { type: "button", textContent: String(z + 1), onclick: () => this.goKey(z) })));
    const colours = make("span", { className: "colours" });
    colours.style.background = heat.colours;
    at.legend.replaceChildren(make("span", { textContent: word("heat_low") }), colours, make("span", { textContent: word("heat_high") }));
  }

  /** Write beside the image what it is. */
  write(place, wide) {
    const { at, word } = this;
    const display = this.displayNow();
    const { series, plane, planeName, k } = this.shown;
    const last = plane.count - 1;
    const slice = !this.scene ? word("reading") : last ? word("slice", { n: k + 1, count: plane.count }) : word("one_slice");
    const position = positionOf(plane, k);
    const what = [series.modality, series.description || series.body_part].filter(Boolean).join(" \u00b7 ");
    at.topLeft.textContent = [what, this.heatWords()].filter(Boolean).join("\n");
    at.topRight.textContent = [word(planeName === "stack" && !last ? "one_slice" : planeName), last || !this.scene ? slice : "", position].filter(Boolean).join("\n");
    const seen = display ? `${word("level")} ${signed(display.level)} \u00b7 ${word("width")} ${tidy(display.width)}` : "";
    at.bottomLeft.textContent = [seen, `${word("zoom")} ${Math.round(this.look.zoom * 100)} %`].filter(Boolean).join("\n");
    at.edges.forEach((edge, n) => (edge.textContent = plane.letters[n]));
    at.sides.textContent = plane.letters.some(Boolean) ? "" : word("no_sides");
    const bar = scaleBar(place.perMm, wide);
    at.ruler.hidden = !bar;
    if (bar) at.ruler.style.width = `${bar.pixels}px`;
    const where = plane.measured === "detector" ? ` ${word("detector")}` : "";
    at.rulerWords.textContent = bar ? `${bar.mm} mm${where}` : word("unsure");
    at.stage.setAttribute("aria-label", [series.modality, word(planeName), slice, position, this.measured].filter(Boolean).join(", "));
    at.slider.setAttribute("aria-valuetext", [slice, position].filter(Boolean).join(", "));
    for (const button of at.planes.children) button.setAttribute("aria-pressed", String(button.value === planeName));
    if (!at.profile.hidden) {
      const own = plane.native && this.heat.series === series.key;
      at.profile.classList.toggle("aside", !own);
      drawProfile(at.profile, this.heat.profile, this.count(), this.heat.key_slices, own ? k : null);
    }
  }

  findingName() {
    return this.heat.names[this.lang] || this.heat.names.en || this.heat.finding.replaceAll("_", " ");
  }

  /** What the image says of the heat map: that it is on, or on which slices it is. */
  heatWords() {
    const { heat, shown, word } = this;
    if (!heat || !heat.token || !this.heatShown) return "";
    const finding = this.findingName();
    if (this.layerOf(shown)) return word("map_of", { finding });
    const series = this.scene.series.find((one) => one.key === heat.series);
    const list = Object.keys(heat.layers).map((z) => Number(z) + 1).join(", ");
    return series && list ? word("map_elsewhere", { finding, list, plane: word(series.plane) }) : "";
  }

  /** The slices of the series that the heat map is of. */
  count() {
    const series = this.scene.series.find((one) => one.key === this.heat.series);
    return series ? series.shape[0] : 1;
  }

  /** Say the value of the voxel under the pointer. */
  point(event) {
    const value = event && this.shown && this.place ? this.valueAt(event) : null;
    const unit = this.shown && this.shown.series.unit !== "raw" ? ` ${this.shown.series.unit}` : "";
    this.at.bottomRight.textContent = value === null ? "" : `${signed(value)}${unit}`;
  }

  valueAt(event) {
    const { pixels } = this.shown;
    const box = this.at.stage.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left - this.place.x) / this.place.width) * pixels.columns);
    const y = Math.floor(((event.clientY - box.top - this.place.y) / this.place.height) * pixels.rows);
    const inside = x >= 0 && y >= 0 && x < pixels.columns && y < pixels.rows && pixels.kind !== "rgb";
    return inside ? pixels.values[y * pixels.columns + x] : null;
  }

  onProfile(clientX) {
    this.goKey(sliceAt(this.at.profile, clientX, this.heat.profile, this.count())[0]);
  }

  /** Go to a slice of the series that the finding was read in. */
  goKey(z) {
    const series = this.scene.series.find((one) => one.key === this.heat.series);
    if (series && series !== this.series) this.chooseSeries(series);
    this.goNative(z, false);
  }

  say(name, fill) {
    this.at.say.textContent = this.word(name, fill);
  }

  message(name) {
    this.said = name;
    this.at.message.hidden = !name;
    this.at.message.textContent = name ? this.word(name) : "";
  }

  reasonOf(error) {
    return error.reason === "busy" ? this.word("ask_again") : error instanceof TypeError ? this.word("offline") : error.message;
  }

  /** Say that what is asked for cannot be shown, and show nothing else in its place. */
  fail(error) {
    const why = this.reasonOf(error);
    this.said = "";
    this.at.say.textContent = "";
    this.shown = null;
    this.blank();
    this.at.message.hidden = false;
    this.at.message.textContent = this.word("failed", { why });
  }

  destroy() {
    this.asked++;
    this.cine.toggle(false);
    clearTimeout(this.rests);
    cancelAnimationFrame(this.frame);
    for (const other of this.links.keys()) other.links.delete(this);
    this.links.clear();
    this.listeners.clear();
    this.sight.disconnect();
    this.stop();
    if (this.store) this.store.close();
    this.at.whole.remove();
  }
}

async function sceneOf(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

async function heatOf(address, finding, lang) {
  const body = JSON.stringify({ finding, lang });
  const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

function unpack(preset) {
  if (preset.table) preset.table = Uint8Array.from(atob(preset.table), (one) => one.charCodeAt(0));
}

function asDisplay(preset, series) {
  return preset ? { ...preset, inverted: series.inverted } : null;
}

function middle(plane) {
  return Math.floor(plane.count / 2);
}

/** The centre of plane k in mm of the patient. */
function centreOf({ centres: [first, second] }, k) {
  return first.map((value, axis) => value + k * (second[axis] - value));
}

/** How far a point lies along a plane's normal, in mm: counted the way in which the patient's axis runs, as in all planes of its name. */
function along({ centres: [first, second] }, point) {
  const step = second.map((value, axis) => value - first[axis]);
  const sizes = step.map(Math.abs);
  const axis = sizes.indexOf(Math.max(...sizes));
  const length = Math.hypot(...step) || 1;
  return (Math.sign(step[axis]) * step.reduce((sum, value, n) => sum + value * point[n], 0)) / length;
}

/** The series to hang first: of more than one image, and of the part that most are of. */
function hung(series) {
  const parts = series.map((one) => one.body_part);
  const often = (one) => parts.filter((part) => part === one.body_part).length;
  const rank = (one) => (one.shape[0] > 1 ? 100 : 0) + often(one);
  return series.reduce((best, one) => (rank(one) > rank(best) ? one : best));
}

/** The series of another study most like one: its part, its orientation, its words. */
function hungLike(series, like) {
  if (!like) return null;
  const rank = (one) => ["modality", "body_part", "plane", "description"].reduce((sum, name, n) => sum + (one[name] === like[name] ? 8 >> n : 0), 0);
  return series.reduce((best, one) => (rank(one) > rank(best) ? one : best));
}

function signed(value) {
  return tidy(value).replace("-", "\u2212");
}

function seriesWords(series, n) {
  const size = series.shape[0] > 1 ? `${series.shape[0]} \u00d7 ` : "";
  return `${n + 1}: ${[series.modality, series.description].filter(Boolean).join(" ")} (${size}${series.shape[1]} \u00d7 ${series.shape[2]})`;
}
