// The strips under the text: one canvas a signal on one shared token axis, a rail of events above, and one overlay that
// alone is redrawn when the mouse moves. Colours come from the CSS custom properties of the root.

import { element, setText } from "./dom.js";
import { axisEnd, format, formatTick, laneDomain, outline, ticks } from "./scales.js";

const LANE_HEIGHT = 56;
const AXIS_HEIGHT = 20;
const LEFT = 40; // room for the axis numbers inside the canvas
const RIGHT = 8;
const PAD = 9;

/** Colour of a lane: its own role if the theme has one, else one of the series. */
export function laneColour(style, lane, position) {
  const own = style.getPropertyValue(`--ts-signal-${lane.name}`).trim();
  return own || style.getPropertyValue(`--ts-series-${position % 6}`).trim();
}

function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function createLanes(root, box) {
  const rail = element("div", { class: "ts-rail" });
  const rows = element("div", { class: "ts-rows" });
  const axis = element("canvas", { class: "ts-axis", "aria-hidden": "true" });
  const overlay = element("canvas", { class: "ts-overlay", "aria-hidden": "true" });
  const plot = element("div", { class: "ts-plot" }, rail, rows, element("div", { class: "ts-axis-row" }, axis), overlay);
  box.append(plot);

  let built = "";
  let lanes = []; // {row, canvas, value, y}
  let run = null;
  let width = 0;
  let end = 1;
  let style = null;

  const colour = (role) => style.getPropertyValue(`--ts-${role}`).trim();
  const x = (i) => LEFT + ((i + 0.5) / end) * (width - LEFT - RIGHT);

  function build() {
    const names = run.lanes.map((lane) => `${lane.name}/${lane.title}/${lane.unit}/${lane.oracle}`).join();
    if (names === built) return;
    built = names;
    rows.replaceChildren();
    lanes = run.lanes.map((lane) => {
      const canvas = element("canvas", { role: "img" });
      const value = element("output", { class: "ts-lane-value" });
      const title = element("span", { class: "ts-lane-title" }, lane.title);
      if (lane.oracle) title.append(" ", element("span", { class: "ts-badge" }, "oracle"));
      const name = element("div", { class: "ts-lane-name" }, title, element("span", { class: "ts-lane-unit" }, lane.unit));
      name.title = [lane.not_this, lane.null_note && `Null band: ${lane.null_note}`].filter(Boolean).join("\n");
      const row = element("div", { class: "ts-lane", "data-lane": lane.name }, name, canvas, value);
      rows.append(row);
      return { row, canvas, value, y: () => 0 };
    });
  }

  function area(context, lane, y) {
    context.fillStyle = colour("null-band");
    for (let start = 0; start < run.count; start += 1) {
      if (!(lane.low[start] <= lane.high[start])) continue;
      let stop = start;
      while (stop + 1 < run.count && lane.low[stop + 1] <= lane.high[stop + 1]) stop += 1;
      const half = Math.max(0.5, (x(1) - x(0)) / 2);
      const high = outline(lane.high.subarray(start, stop + 1), stop - start + 1, end, width);
      const low = outline(lane.low.subarray(start, stop + 1), stop - start + 1, end, width);
      context.beginPath();
      context.moveTo(x(start) - half, y(lane.high[start]));
      for (const [i, value] of high) context.lineTo(x(start + i), y(value));
      context.lineTo(x(stop) + half, y(lane.high[stop]));
      context.lineTo(x(stop) + half, y(lane.low[stop]));
      for (const [i, value] of low.reverse()) context.lineTo(x(start + i), y(value));
      context.lineTo(x(start) - half, y(lane.low[start]));
      context.fill();
      start = stop;
    }
  }

  function series(context, lane, y, stroke) {
    context.strokeStyle = stroke;
    context.fillStyle = stroke;
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.setLineDash(lane.oracle ? [4, 2.5] : []);
    context.beginPath();
    const points = outline(lane.value, run.count, end, width - LEFT - RIGHT);
    const defined = (k) => k >= 0 && k < points.length && points[k][1] === points[k][1];
    const alone = [];
    points.forEach(([i, value], k) => {
      if (!defined(k)) return;
      if (defined(k - 1)) context.lineTo(x(i), y(value));
      else context.moveTo(x(i), y(value));
      if (!defined(k - 1) && !defined(k + 1)) alone.push(points[k]);
    });
    context.stroke();
    context.setLineDash([]);
    for (const [i, value] of alone) dot(context, x(i), y(value), 1.8, true);
    context.lineWidth = 1.4;
    for (const i of lane.peaks) if (i < run.count) dot(context, x(i), y(lane.value[i]), 3.6, false);
  }

  function dot(context, px, py, radius, filled) {
    context.beginPath();
    context.arc(px, py, radius, 0, 2 * Math.PI);
    if (filled) context.fill();
    else context.stroke();
  }

  function rules(context, height) {
    context.lineWidth = 1;
    for (const event of run.head.events) {
      context.strokeStyle = colour("forced");
      context.globalAlpha = 0.55;
      context.beginPath();
      const px = Math.round(x(event.token - 0.5)) + 0.5;
      context.moveTo(px, 0);
      context.lineTo(px, height);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  function drawLane(lane, k) {
    const { canvas, row } = lanes[k];
    const context = prepare(canvas, width, LANE_HEIGHT);
    const [low, high] = laneDomain(lane, run.count);
    const y = (value) => LANE_HEIGHT - PAD - ((value - low) / (high - low)) * (LANE_HEIGHT - 2 * PAD);
    lanes[k].y = y;
    area(context, lane, y);
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    context.font = `10.5px ${style.fontFamily}`;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [low, high]) {
      context.beginPath();
      context.moveTo(LEFT, Math.round(y(value)) + 0.5);
      context.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
      context.stroke();
      context.fillStyle = colour("muted");
      context.fillText(formatTick(value), LEFT - 6, y(value));
    }
    rules(context, LANE_HEIGHT);
    series(context, lane, y, laneColour(style, lane, k));
    let points = 0;
    for (let i = 0; i < run.count; i += 1) if (lane.value[i] === lane.value[i]) points += 1;
    row.dataset.n = points;
    const oracle = lane.oracle ? ", uses the gold answer" : "";
    canvas.setAttribute("aria-label", `${lane.title} in ${lane.unit}, ${points} points from ${low} to ${high}${oracle}`);
  }

  function drawAxis() {
    const context = prepare(axis, width, AXIS_HEIGHT);
    context.font = `10.5px ${style.fontFamily}`;
    context.fillStyle = colour("muted");
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const i of ticks(end, width)) {
      const label = i === 0 ? "token 0" : String(i);
      context.textAlign = i === 0 ? "left" : "center";
      if (x(i) < width - 14) context.fillText(label, i === 0 ? x(i) - 2 : x(i), 5);
    }
  }

  function drawRail() {
    rail.replaceChildren();
    let first = 0;
    for (let i = 1; i <= run.count; i += 1) {
      if (i < run.count && kind(i) === kind(first)) continue;
      const left = x(first - 0.5);
      const band = element("span", { class: `ts-band ts-band-${kind(first)}` });
      band.style.left = `${left}px`;
      band.style.width = `${Math.max(1, x(i - 0.5) - left - 1)}px`;
      rail.append(band);
      first = i;
    }
    const taken = [-Infinity, -Infinity];
    for (const event of [...run.head.events].sort((a, b) => a.token - b.token)) {
      const label = element("span", { class: "ts-event", "data-event": event.kind, "data-token": event.token }, event.label);
      label.title = `${event.label}, token ${event.token}${event.by ? `, by ${event.by}` : ""}`;
      rail.append(label);
      const size = label.offsetWidth;
      const left = Math.max(LEFT, Math.min(x(event.token - 0.5) - 3, width - RIGHT - size));
      const tier = taken.findIndex((edge) => left > edge + 4);
      label.style.left = `${left}px`;
      if (tier < 0) label.classList.add("ts-crowded");
      else {
        label.style.top = `${tier * 17}px`;
        taken[tier] = left + size;
      }
    }
    rail.classList.toggle("ts-rail-two", taken[1] > 0);
    rail.classList.toggle("ts-rail-none", !run.head.events.length);
  }

  const kind = (i) => (run.columns.segment[i] === 1 ? "think" : run.columns.segment[i] === 2 ? "answer" : "end");

  return {
    element: plot,

    draw(next) {
      run = next;
      style = getComputedStyle(root);
      build();
      width = axis.clientWidth;
      if (!width) return;
      end = axisEnd(run.count, run.head.state === "running");
      drawRail();
      run.lanes.forEach(drawLane);
      drawAxis();
    },

    /** Rules and dots at the hovered and the pinned token, and the numbers at the right. */
    overlay(hover, pin) {
      if (!width || !run) return;
      const context = prepare(overlay, width, plot.clientHeight);
      const top = plot.getBoundingClientRect().top;
      for (const [i, role, dash] of [[pin, "accent", []], [hover, "text", [2, 2]]]) {
        if (i === null || i >= run.count) continue;
        context.strokeStyle = colour(role);
        context.setLineDash(dash);
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(Math.round(x(i)) + 0.5, rows.offsetTop);
        context.lineTo(Math.round(x(i)) + 0.5, rows.offsetTop + rows.offsetHeight);
        context.stroke();
        context.setLineDash([]);
        run.lanes.forEach((lane, k) => {
          if (lane.value[i] !== lane.value[i]) return;
          context.fillStyle = laneColour(style, lane, k);
          dot(context, x(i), lanes[k].canvas.getBoundingClientRect().top - top + lanes[k].y(lane.value[i]), 3, true);
        });
      }
      run.lanes.forEach((lane, k) => {
        const shown = hover ?? pin ?? lastDefined(lane.value, run.count);
        setText(lanes[k].value, shown === null ? "–" : format(lane.value[shown]));
        lanes[k].value.style.color = laneColour(style, lane, k);
      });
    },

    /** Token under a horizontal position on the page, null outside the axis. */
    tokenAt(clientX) {
      const at = clientX - axis.getBoundingClientRect().left;
      const i = Math.floor(((at - LEFT) / (width - LEFT - RIGHT)) * end);
      return run && i >= 0 && i < run.count && at >= LEFT ? i : null;
    },
  };
}

/** Index of the last defined value, null when there is none. */
export function lastDefined(values, count) {
  for (let i = count - 1; i >= 0; i -= 1) if (values[i] === values[i]) return i;
  return null;
}
