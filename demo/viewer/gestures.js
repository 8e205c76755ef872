// Mouse, wheel and keys of a viewer; each says what it means to the viewer, and nothing of how it is drawn.

import { toggleKeyMap } from "./key_map.js";
import { savePicture } from "./picture_file.js";

const WHEEL = 40; // pixels of wheel for one slice: a notch of a mouse is 100 or so, a trackpad sends many small ones
const PLANES = { a: "axial", c: "coronal", s: "sagittal" };

/** Listen to a viewer's elements; returns a function that stops. */
export function listen(viewer) {
  const { at } = viewer;
  const over = new AbortController();
  const on = (target, name, act, more = {}) => target.addEventListener(name, act, { signal: over.signal, ...more });
  on(at.stage, "wheel", wheel(viewer), { passive: false });
  on(at.stage, "keydown", (event) => key(viewer, event));
  on(at.stage, "dblclick", () => viewer.restart());
  on(at.stage, "contextmenu", (event) => event.preventDefault());
  drag(viewer, on);
  on(at.slider, "input", () => viewer.goTo(Number(at.slider.value)));
  on(at.profile, "click", (event) => viewer.onProfile(event.clientX));
  on(at.series, "change", () => viewer.show({ series: at.series.value }));
  on(at.window, "change", () => viewer.choosePreset(at.window.value));
  for (const name of ["level", "width"]) {
    on(at[name], "change", () => viewer.setWindow(Number(at.level.value), Number(at.width.value)));
  }
  on(at.zoomIn, "click", () => viewer.zoomBy(1.25));
  on(at.zoomOut, "click", () => viewer.zoomBy(0.8));
  on(at.fit, "click", () => viewer.restart());
  on(at.cine, "click", () => viewer.cine.toggle());
  on(at.measure, "click", () => viewer.ruler.toggle("line"));
  on(at.oval, "click", () => viewer.ruler.toggle("oval"));
  on(at.keep, "click", () => viewer.keepMeasured());
  on(at.help_button, "click", () => toggleKeyMap(viewer));
  on(at.png, "click", () => savePicture(viewer));
  on(at.heatOn, "change", () => viewer.showHeat(at.heatOn.checked));
  on(at.opacity, "input", () => {
    viewer.opacity = Number(at.opacity.value) / 100;
    viewer.redraw();
  });
  return () => over.abort();
}

function wheel(viewer) {
  let left = 0; // what is too little for a slice yet
  return (event) => {
    event.preventDefault();
    const turned = event.deltaMode === 1 ? event.deltaY * WHEEL : event.deltaY;
    if (event.ctrlKey || event.metaKey) {
      const [x, y] = fromMiddle(viewer, event);
      viewer.zoomBy(Math.exp(-Math.max(-100, Math.min(100, turned)) / 400), x, y);
      return;
    }
    if (Math.abs(turned) >= WHEEL) {
      left = 0; // a notch is one slice, however far the system says it went
      viewer.down(Math.sign(turned));
      return;
    }
    left += turned;
    const slices = Math.trunc(left / WHEEL);
    left -= slices * WHEEL;
    if (slices) viewer.down(slices);
  };
}

function fromMiddle(viewer, event) {
  const box = viewer.at.stage.getBoundingClientRect();
  return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
}

function drag(viewer, on) {
  const { stage } = viewer.at;
  let start = null;
  on(stage, "pointerdown", (event) => {
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    if (viewer.ruler.on && event.button === 0 && !event.shiftKey) return viewer.ruler.start(event);
    const pans = event.button !== 0 || event.shiftKey;
    const { level, width } = viewer.display || {};
    start = { x: event.clientX, y: event.clientY, pans, level, width };
  });
  on(stage, "pointermove", (event) => {
    viewer.point(event);
    viewer.ruler.move(event);
    if (!start) return;
    const [x, y] = [event.clientX - start.x, event.clientY - start.y];
    if (start.pans) {
      viewer.panBy(x, y);
      Object.assign(start, { x: event.clientX, y: event.clientY });
    } else if (viewer.display && Math.abs(x) + Math.abs(y) > 2) {
      const each = Math.max(start.width, viewer.widest() / 200) / 300; // of the voxels' unit, for each pixel
      viewer.setWindow(start.level + y * each, start.width + x * each);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) on(stage, name, () => {
    start = null;
    if (viewer.ruler.drawing) viewer.ruler.end();
  });
  on(stage, "pointerleave", () => viewer.point(null));
}

function key(viewer, event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const act = action(viewer, event);
  if (!act) return;
  event.preventDefault();
  act();
}

function action(viewer, { key: pressed, shiftKey }) {
  const moves = { ArrowUp: [0, 24], ArrowDown: [0, -24], ArrowLeft: [24, 0], ArrowRight: [-24, 0] };
  if (shiftKey && moves[pressed]) return () => viewer.panBy(...moves[pressed]);
  const steps = {
    ArrowUp: () => viewer.down(-1), ArrowDown: () => viewer.down(1), PageUp: () => viewer.down(-10), PageDown: () => viewer.down(10),
    ArrowLeft: () => viewer.goTo(viewer.k - 1), ArrowRight: () => viewer.goTo(viewer.k + 1),
    Home: () => viewer.goTo(0), End: () => viewer.goTo(Infinity),
    "+": () => viewer.zoomBy(1.25), "=": () => viewer.zoomBy(1.25), "-": () => viewer.zoomBy(0.8), 0: () => viewer.restart(),
    m: () => viewer.ruler.toggle("line"), o: () => viewer.ruler.toggle("oval"), p: () => viewer.cine.toggle(), " ": () => viewer.cine.toggle(), "?": () => toggleKeyMap(viewer),
    Delete: () => (viewer.ruler.clear(false), viewer.redraw()), Backspace: () => (viewer.ruler.clear(false), viewer.redraw()),
    h: () => viewer.showHeat(!viewer.heatShown),
  };
  const small = pressed.length === 1 ? pressed.toLowerCase() : pressed;
  if (steps[small]) return steps[small];
  if (PLANES[small]) return () => viewer.choosePlane(PLANES[small]);
  const preset = /^[1-9]$/.test(pressed) && viewer.series && viewer.series.presets[Number(pressed) - 1];
  return preset ? () => viewer.choosePreset(preset.name) : null;
}
