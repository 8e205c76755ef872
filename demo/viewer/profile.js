// The margin of every slice of a finding's view, under the image and in step with the slider; a click goes to a slice.

const EDGE = 8; // pixels at both ends: half of the slider's thumb

/** Draw the profile [[z, margin]...] of `count` slices, its key slices marked and the slice shown, `shown`, lined. */
export function drawProfile(canvas, profile, count, keySlices, shown) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (!wide || !high) return;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const margins = profile.map(([, margin]) => margin);
  const [low, top] = [Math.min(...margins, 0), Math.max(...margins, 0)];
  const y = (margin) => high - 4 - ((margin - low) / (top - low || 1)) * (high - 10);
  const x = (z) => xOf(z, count, wide);
  rule(pen, y(0), wide);
  pen.beginPath();
  profile.forEach(([z, margin], n) => (n ? pen.lineTo(x(z), y(margin)) : pen.moveTo(x(z), y(margin))));
  pen.strokeStyle = "#8fb7d9";
  pen.lineWidth = 1.5;
  pen.stroke();
  const of = new Map(profile);
  pen.fillStyle = "#fcae30";
  for (const z of keySlices) {
    pen.beginPath();
    pen.arc(x(z), y(of.get(z) ?? 0), 3.5, 0, 2 * Math.PI);
    pen.fill();
  }
  if (shown === null) return;
  pen.strokeStyle = "#ffffff";
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x(shown), 0);
  pen.lineTo(x(shown), high);
  pen.stroke();
}

/** Return the slice of the profile nearest to a place on it, as [z, margin]. */
export function sliceAt(canvas, clientX, profile, count) {
  const box = canvas.getBoundingClientRect();
  const apart = ([z]) => Math.abs(xOf(z, count, box.width) - (clientX - box.left));
  return profile.reduce((best, one) => (apart(one) < apart(best) ? one : best));
}

function xOf(z, count, wide) {
  return EDGE + (count > 1 ? z / (count - 1) : 0.5) * (wide - 2 * EDGE);
}

function rule(pen, y, wide) {
  pen.strokeStyle = "#4a5560";
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(0, y);
  pen.lineTo(wide, y);
  pen.stroke();
  pen.setLineDash([]);
  pen.fillStyle = "#97a2ad";
  pen.font = "10px system-ui, sans-serif";
  pen.fillText("0", 1, y > 14 ? y - 2 : y + 10);
}
