// What the stage shows as a PNG: the image, the words and letters on it, the scale bar, and the notice.

const EDGES = { left: [0, 0.5], right: [1, 0.5], top: [0.5, 0], bottom: [0.5, 1] };
const NOTICE = 26; // pixels below the image

/** Return a canvas with all that a viewer's stage shows, and the notice under it. */
export function pictureOf(viewer) {
  const { at } = viewer;
  const [wide, high, ratio] = [at.stage.clientWidth, at.stage.clientHeight, window.devicePixelRatio || 1];
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(wide * ratio), height: Math.round((high + NOTICE) * ratio) });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(at.canvas, 0, 0);
  pen.scale(ratio, ratio);
  pen.shadowColor = "#000";
  pen.shadowBlur = 3;
  const box = at.stage.getBoundingClientRect();
  for (const corner of [at.topLeft, at.topRight, at.bottomLeft, at.sides, at.rulerWords]) words(pen, corner, box);
  at.edges.forEach((edge, n) => letter(pen, edge.textContent, ["left", "right", "top", "bottom"][n], wide, high));
  if (!at.ruler.hidden) ruler(pen, at.ruler.getBoundingClientRect(), box);
  pen.shadowBlur = 0;
  pen.fillStyle = "#e6ebf0";
  pen.font = "13px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(viewer.word("notice"), 10, high + NOTICE / 2);
  return canvas;
}

/** Save it; the file's name says study, plane and slice. */
export async function savePicture(viewer) {
  if (!viewer.shown || !viewer.scene) return;
  const { planeName, k } = viewer.shown;
  const blob = await new Promise((done) => pictureOf(viewer).toBlob(done, "image/png"));
  const name = `radseek-${viewer.scene.study.slice(-6)}-${planeName}-${k + 1}.png`;
  const anchor = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

function words(pen, element, box) {
  const place = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  const right = style.textAlign === "right" || element.className === "rulerWords";
  pen.fillStyle = style.color;
  pen.font = `${style.fontSize} system-ui, sans-serif`;
  pen.textAlign = right ? "right" : "left";
  pen.textBaseline = "top";
  const line = parseFloat(style.lineHeight) || 16;
  element.textContent.split("\n").forEach((text, n) => pen.fillText(text, (right ? place.right : place.left) - box.left, place.top - box.top + n * line));
}

function letter(pen, text, side, wide, high) {
  const [x, y] = EDGES[side];
  pen.fillStyle = "#ffd479";
  pen.font = "600 15px system-ui, sans-serif";
  pen.textAlign = ["left", "center", "right"][x * 2];
  pen.textBaseline = ["top", "middle", "bottom"][y * 2];
  pen.fillText(text, x * wide + (0.5 - x) * 20, y * high + (0.5 - y) * 14);
}

function ruler(pen, place, box) {
  const [left, right, bottom] = [place.left - box.left, place.right - box.left, place.bottom - box.top];
  pen.strokeStyle = "#e6ebf0";
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(left, bottom - 6);
  pen.lineTo(left, bottom);
  pen.lineTo(right, bottom);
  pen.lineTo(right, bottom - 6);
  pen.stroke();
}
