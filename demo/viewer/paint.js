// Where a plane stands on the screen, in millimetres rather than pixels, and what is written beside it.

const BARS = [200, 100, 50, 20, 10, 5, 2, 1]; // mm

/** Return where a plane is drawn: {x, y, width, height, perMm} in CSS pixels; `look`: {zoom, panX, panY}. */
export function placed(plane, stageWidth, stageHeight, look) {
  const [, down, across] = plane.spacing || [0, 1, 1];
  const width = plane.columns * across;
  const height = plane.rows * down;
  const perMm = Math.min(stageWidth / width, stageHeight / height) * look.zoom;
  return {
    x: stageWidth / 2 + look.panX - (width * perMm) / 2,
    y: stageHeight / 2 + look.panY - (height * perMm) / 2,
    width: width * perMm,
    height: height * perMm,
    perMm: plane.spacing ? perMm : 0,
  };
}

/** Draw a picture, and a layer over it at an opacity, onto a canvas of that size in CSS pixels; `quality`: of smoothing. */
export function paint(canvas, stageWidth, stageHeight, place, picture, layer, opacity, quality) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stageWidth * ratio), Math.round(stageHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = quality;
  context.drawImage(picture, place.x, place.y, place.width, place.height);
  if (layer) {
    context.globalAlpha = opacity;
    context.drawImage(layer, place.x, place.y, place.width, place.height);
    context.globalAlpha = 1;
  }
}

/** Leave nothing on a canvas. */
export function wipe(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
}

/** Return the longest round length that fits in a quarter of the stage: {mm, pixels}, or null without a scale. */
export function scaleBar(perMm, stageWidth) {
  const mm = perMm > 0 && BARS.find((length) => length * perMm <= stageWidth / 4);
  return mm ? { mm, pixels: mm * perMm } : null;
}

/** Return where plane k lies, such as "H 23.4 mm"; "" without geometry. */
export function positionOf(plane, k) {
  if (!plane.centres) return "";
  const [first, second] = plane.centres;
  const step = second.map((value, axis) => value - first[axis]);
  const sizes = step.map(Math.abs);
  const axis = sizes.indexOf(Math.max(...sizes));
  const at = first[axis] + k * step[axis];
  const letter = ["LR", "PA", "HF"][axis][at >= 0 ? 0 : 1];
  return `${letter} ${Math.abs(at).toFixed(1)} mm`;
}

/** Return a number as a reader wants it: whole where it is large, else with four figures. */
export function tidy(value) {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
}
