// What stands around the text and the lanes: state and progress above, the choice of colour and its legend, the tooltip.

import { element, setText } from "./dom.js";
import { lastDefined } from "./lanes.js";
import { format, formatTick } from "./scales.js";

const SEGMENTS = { 1: "thinking", 2: "answer", 3: "end" };

export function createHead(levels, onChoose) {
  const state = element("span", { class: "ts-state" });
  const count = element("span", { class: "ts-count" });
  const select = element("select", { "aria-label": "Colour the text by", "data-testid": "colour-by" });
  const low = element("span", { class: "ts-legend-end" });
  const high = element("span", { class: "ts-legend-end" });
  const swatches = Array.from({ length: levels }, (_, k) => element("i", { "data-q": k }));
  const legend = element("span", { class: "ts-legend", "data-testid": "legend" }, low, element("span", { class: "ts-swatches" }, ...swatches), high);
  const bar = element("div", { class: "ts-bar" });
  const note = element("span", { class: "ts-progress-note" });
  const progress = element(
    "div",
    { class: "ts-progress", "data-testid": "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Predicted progress of the thinking" },
    element("div", { class: "ts-track" }, bar),
    note,
  );
  const choice = element("label", { class: "ts-choice" }, "Colour by ", select);
  const node = element(
    "header",
    { class: "ts-head" },
    element("div", { class: "ts-status" }, state, count),
    element("div", { class: "ts-colour" }, choice, legend),
    progress,
  );
  select.addEventListener("change", () => onChoose(select.value));
  let options = "";

  return {
    element: node,

    update(run, chosen) {
      const wanted = run.lanes.map((lane) => `${lane.name}/${lane.title}`).join();
      if (wanted !== options) {
        options = wanted;
        const items = run.lanes.map((lane) => element("option", { value: lane.name }, lane.title + (lane.oracle ? " (oracle)" : "")));
        select.replaceChildren(...items, element("option", { value: "" }, "nothing"));
      }
      choice.hidden = !run.lanes.length;
      if (select.value !== (chosen ?? "")) select.value = chosen ?? "";
      setText(state, stateWords(run));
      state.dataset.state = run.head.state;
      const speed = run.head.tokens_per_second;
      setText(count, !run.lanes.length ? "" : `${run.count} token${run.count === 1 ? "" : "s"}${speed ? ` · ${format(speed)} tokens/s` : ""}`);
      showProgress(run);
    },

    legend(lane, domain) {
      legend.hidden = !lane;
      if (!lane) return;
      setText(low, formatTick(domain[0]));
      setText(high, `${formatTick(domain[1])} ${lane.unit}`);
    },
  };

  function showProgress(run) {
    const lane = run.lanes.find((candidate) => candidate.name === "progress");
    const last = lane ? lastDefined(lane.value, run.count) : null;
    progress.hidden = last === null;
    if (last === null) return;
    const percent = Math.round(100 * Math.min(1, Math.max(0, lane.value[last])));
    bar.style.width = `${percent}%`;
    progress.setAttribute("aria-valuenow", percent);
    const thinking = run.head.state !== "finished" && run.columns.segment[run.count - 1] === 1;
    const left = run.head.remaining;
    const words = thinking
      ? `${percent} % through its thinking${left === null ? "" : ` · about ${Math.max(0, Math.round(left))} tokens left`}`
      : `thinking ended at token ${last} · its own read-out said ${percent} %`;
    setText(note, words);
    progress.setAttribute("aria-valuetext", words);
  }
}

/** State of the run in words. */
export function stateWords(run) {
  const { state, note } = run.head;
  if (state === "running") {
    if (!run.count) return "Reading the question";
    return run.columns.segment[run.count - 1] === 1 ? "Thinking" : "Answering";
  }
  const word = state ? state[0].toUpperCase() + state.slice(1) : "";
  return note ? `${word} · ${note}` : word;
}

export function createTooltip() {
  const node = element("div", { class: "ts-tooltip", role: "tooltip", "data-testid": "tooltip", hidden: true });

  function row(name, value, extra = "") {
    return [element("dt", {}, name), element("dd", {}, value), element("dd", { class: "ts-extra" }, extra)];
  }

  return {
    element: node,

    show(run, i) {
      const { id, p, rank, entropy, segment } = run.columns;
      const facts = [
        `token ${i}`,
        id[i] >= 0 ? `id ${id[i]}` : "",
        SEGMENTS[segment[i]] ?? "",
        run.columns.forced[i] ? `forced${run.head.forced_by?.[i] ? ` by ${run.head.forced_by[i]}` : ""}` : "",
      ];
      const rows = [];
      if (p[i] === p[i]) rows.push(row("probability", format(p[i]), rank[i] >= 0 ? `rank ${rank[i]}` : ""));
      const laned = run.lanes.some((lane) => lane.name === "entropy");
      if (!laned && entropy[i] === entropy[i]) rows.push(row("entropy", format(entropy[i]), "nats"));
      for (const lane of run.lanes) {
        const unit = lane.value[i] === lane.value[i] ? lane.unit : "";
        rows.push(row(lane.title, format(lane.value[i]), [unit, nullWords(lane, i)].filter(Boolean).join(" · ")));
      }
      const word = element("code");
      word.textContent = visible(run.texts[i]);
      node.replaceChildren(
        word,
        element("p", {}, facts.filter(Boolean).join(" · ")),
        element("dl", {}, ...rows.flat()),
      );
      node.hidden = false;
    },

    /** Under the anchor if the window has room there, else above it; inside the root from left to right. */
    placeAt(anchor, root) {
      const frame = root.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = node;
      const left = Math.min(anchor.left - frame.left - 12, frame.width - width);
      const below = anchor.bottom + 10 + height < window.innerHeight || anchor.top - height - 10 < 0;
      node.style.left = `${Math.max(0, left)}px`;
      node.style.top = `${(below ? anchor.bottom + 10 : anchor.top - height - 10) - frame.top}px`;
    },

    /** Beside a vertical line, so that the text above stays in sight. */
    placeBeside(x, top, root) {
      const frame = root.getBoundingClientRect();
      const right = x - frame.left + 16;
      node.style.left = `${right + node.offsetWidth < frame.width ? right : Math.max(0, right - node.offsetWidth - 32)}px`;
      node.style.top = `${top - frame.top}px`;
    },

    hide() {
      node.hidden = true;
    },
  };
}

/** Where a value lies with respect to its null band. */
export function nullWords(lane, i) {
  const value = lane.value[i];
  if (value !== value || !(lane.low[i] <= lane.high[i])) return "";
  if (value > lane.high[i]) return "above null";
  return value < lane.low[i] ? "below null" : "within null";
}

/** A token's text with its white space made visible. */
export function visible(text) {
  return text === "" ? "(empty)" : text.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥");
}
