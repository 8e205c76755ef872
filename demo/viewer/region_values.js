// What the voxels inside an oval are: those whose centres lie in it.

/** Return {count, mean, sd, min, max} of the oval that fills the box between two points, in pixels; null for none or colour. */
export function statistics({ kind, values, rows, columns }, from, to) {
  if (kind === "rgb") return null;
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
  const [top, bottom] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])];
  const [middleX, middleY, halfX, halfY] = [(left + right) / 2, (top + bottom) / 2, (right - left) / 2 || 1e-9, (bottom - top) / 2 || 1e-9];
  let [count, sum, squares, min, max] = [0, 0, 0, Infinity, -Infinity];
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(rows, Math.ceil(bottom)); y++) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(columns, Math.ceil(right)); x++) {
      if (((x + 0.5 - middleX) / halfX) ** 2 + ((y + 0.5 - middleY) / halfY) ** 2 > 1) continue;
      const value = values[y * columns + x];
      if (!Number.isFinite(value)) continue;
      count += 1;
      const apart = value - sum; // Welford (1962): the running mean, and the sum of squares about it
      sum += apart / count;
      squares += apart * (value - sum);
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  return count ? { count, mean: sum, sd: Math.sqrt(squares / count), min, max } : null;
}
