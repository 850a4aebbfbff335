// Numbers to positions, levels and labels. Pure: no document, no drawing. NaN means "not defined here" throughout.

/** A round step (1, 2 or 5 times a power of ten) that divides `span` into about `parts`. */
export function niceStep(span, parts) {
  const raw = span / Math.max(1, parts);
  if (!(raw > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const unit = raw / power;
  return (unit <= 1.0001 ? 1 : unit <= 2.0001 ? 2 : unit <= 5.0001 ? 5 : 10) * power;
}

/** [low, high] widened to round numbers; never empty. */
export function niceDomain(low, high, parts = 4) {
  if (!(low < high)) {
    if (!Number.isFinite(low)) return [0, 1];
    const pad = Math.max(Math.abs(low) * 0.1, 1e-6);
    return [low - pad, high + pad];
  }
  const step = niceStep(high - low, parts);
  const clean = (value) => Number(value.toPrecision(12));
  return [clean(Math.floor(low / step + 1e-9) * step), clean(Math.ceil(high / step - 1e-9) * step)];
}

/** Smallest and largest defined value of several arrays, [Infinity, -Infinity] when there is none. */
export function extent(arrays, count) {
  let low = Infinity;
  let high = -Infinity;
  for (const array of arrays) {
    for (let i = 0; i < count; i += 1) {
      const value = array[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

/** What the lane's axis shows: everything drawn, on round numbers, stopping at the signal's own bounds. */
export function laneDomain(lane, count) {
  let [low, high] = extent([lane.value, lane.low, lane.high], count);
  const [least, most] = lane.domain;
  if (low === Infinity) return [least ?? 0, most ?? 1];
  const span = high - low || Math.abs(high) || 1;
  if (least !== null && low - least < 0.6 * span) low = Math.min(low, least);
  if (most !== null && most - high < 0.6 * span) high = Math.max(high, most);
  return niceDomain(low, high, 3);
}

/** What the colours span: the 2nd to the 98th percentile on round numbers, so that one outlier does not bleach the rest. */
export function colourDomain(lane, count) {
  const sorted = lane.value.slice(0, count).filter((value) => value === value).sort();
  if (!sorted.length) return [lane.domain[0] ?? 0, lane.domain[1] ?? 1];
  const at = (q) => sorted[Math.round(q * (sorted.length - 1))];
  const [low, high] = niceDomain(at(0.02), at(0.98), 8);
  return [Math.max(low, lane.domain[0] ?? -Infinity), Math.min(high, lane.domain[1] ?? Infinity)];
}

/** Level 0..levels-1 of a value, -1 where it is not defined. */
export function level(value, [low, high], levels) {
  if (value !== value) return -1;
  const share = high > low ? (value - low) / (high - low) : 0;
  return Math.max(0, Math.min(levels - 1, Math.floor(share * levels)));
}

/** Tokens the x axis makes room for: all of a finished run, some air ahead of a running one (in jumps, to stay calm). */
export function axisEnd(count, running) {
  if (!running) return Math.max(1, count);
  const step = Math.max(16, 2 ** Math.floor(Math.log2(Math.max(1, count))) / 4);
  return Math.max(64, Math.ceil((count + step / 2) / step) * step);
}

/** Round token positions for the axis. */
export function ticks(end, width) {
  const step = Math.max(1, niceStep(end, Math.max(2, Math.floor(width / 90))));
  const positions = [];
  for (let i = 0; i < end; i += step) positions.push(i);
  return positions;
}

/**
 * Points to draw for a series of `count` values in `width` pixels: [[index, value], ...] with [index, NaN] at gaps.
 * Where tokens are denser than pixels each pixel keeps its smallest and largest value, so no spike disappears.
 */
export function outline(values, count, end, width) {
  const points = [];
  const perPixel = end / Math.max(1, width);
  if (perPixel <= 1) {
    for (let i = 0; i < count; i += 1) points.push([i, values[i]]);
    return points;
  }
  for (let start = 0; start < count; ) {
    const stop = Math.min(count, Math.max(start + 1, Math.floor((Math.floor(start / perPixel) + 1) * perPixel)));
    let low = -1;
    let high = -1;
    for (let i = start; i < stop; i += 1) {
      if (values[i] !== values[i]) continue;
      if (low < 0 || values[i] < values[low]) low = i;
      if (high < 0 || values[i] > values[high]) high = i;
    }
    if (low < 0) points.push([start, NaN]);
    else {
      points.push([Math.min(low, high), values[Math.min(low, high)]]);
      if (low !== high) points.push([Math.max(low, high), values[Math.max(low, high)]]);
    }
    start = stop;
  }
  return points;
}

/** A number with three significant digits, a dash where it is not defined. */
export function format(value) {
  if (value === null || value === undefined || value !== value) return "–";
  const size = Math.abs(value);
  if (size >= 10000) return `${(value / 1000).toFixed(size >= 100000 ? 0 : 1)}k`;
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 0.1 || size === 0) return value.toFixed(2);
  if (size >= 0.001) return value.toFixed(3);
  return value.toExponential(0);
}

/** A round axis end without trailing zeros. */
export function formatTick(value) {
  return Math.abs(value) >= 10000 ? `${value / 1000}k` : String(Number(value.toPrecision(4)));
}
