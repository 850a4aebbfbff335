// TraceView: a generation as text, with its signals on one axis beneath. Live and finished runs are one view.
// `mountTrace(root, host)` returns {update, destroy}; the host says what to do with a pin and with missing tokens:
//   host.onPin(index | null)   the reader pinned a token
//   host.onMissing(have)       a payload began after the tokens that are here; send everything again
// The view knows nothing of where payloads come from. Hover stays inside it and costs one overlay canvas.

import { element, setText } from "./dom.js";
import { createLanes, lastDefined } from "./lanes.js";
import { createHead, createTooltip, visible } from "./panel.js";
import { decodePayload, emptyRun, mergePayload } from "./payload.js";
import { colourDomain, format, level } from "./scales.js";
import { createText, sentenceStep } from "./text.js";

const LEVELS = 25;
const LATENCIES_KEPT = 2000;

export function mountTrace(root, host = {}) {
  let run = emptyRun();
  let chosen = null;
  let hover = null;
  let pin = null;
  let hostPin;
  let following = true;
  let leftAt = 0; // where following last left the scroll position: found higher, the reader has scrolled up
  let scheduled = false;
  const dirty = { all: false, overlay: false };

  const head = createHead(LEVELS, (name) => {
    chosen = name;
    colour();
  });
  const question = element("p", { class: "ts-question-text", "data-testid": "question" });
  const thinkBox = element("div", { class: "ts-think-text", "data-testid": "thinking" });
  const answerBox = element("div", { class: "ts-answer-text", "data-testid": "answer" });
  const scroller = element("div", { class: "ts-scroller" }, thinkBox);
  const jump = element("button", { class: "ts-jump", type: "button", hidden: true }, "Jump to latest ↓");
  const answer = element("section", { class: "ts-answer", "aria-label": "Answer", hidden: true }, element("h4", {}, "Answer"), answerBox);
  const thinking = element("section", { class: "ts-think", "aria-label": "Thinking" }, element("h4", {}, "Thinking"), scroller, jump);
  const asked = element("section", { class: "ts-question", "aria-label": "Question" }, element("h4", {}, "Question"), question);
  const words = element(
    "div",
    { class: "ts-words", tabindex: 0, role: "application", "aria-label": "Generated text. Arrow keys move between tokens, with Shift between sentences, P between peaks, Escape lets go." },
    thinking,
    answer,
  );
  const laneBox = element("section", { class: "ts-lanes", "aria-label": "Signals" });
  const key = element("p", { class: "ts-key" });
  const spoken = element("p", { class: "ts-spoken", "aria-live": "polite" });
  const tooltip = createTooltip();
  root.classList.add("ts-root");
  root.dataset.testid = "traceview";
  root.replaceChildren(head.element, asked, words, laneBox, key, spoken, tooltip.element);
  const text = createText(thinkBox, answerBox);
  const lanes = createLanes(root, laneBox);

  function schedule(what) {
    dirty[what] = true;
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (dirty.all) lanes.draw(run);
      lanes.overlay(hover, pin);
      dirty.all = dirty.overlay = false;
    });
  }

  function chosenLane() {
    return run.lanes.find((lane) => lane.name === chosen) ?? null;
  }

  function colour() {
    const lane = chosenLane();
    const domain = lane ? colourDomain(lane, run.count) : [0, 1];
    const levels = new Int8Array(run.count).fill(-1);
    if (lane) for (let i = 0; i < run.count; i += 1) levels[i] = level(lane.value[i], domain, LEVELS);
    text.colour(levels, lane ? lane.peaks : []);
    root.style.setProperty("--ts-chosen", lane ? `var(--ts-signal-${lane.name}, var(--ts-accent))` : "var(--ts-accent)");
    head.update(run, chosen);
    head.legend(lane, domain);
  }

  function setHover(i, place) {
    if (i === hover) return;
    text.mark("ts-hover", hover, i);
    hover = i;
    if (i === null) tooltip.hide();
    else {
      tooltip.show(run, i);
      if (place) place();
      else tooltip.placeAt(text.span(i).getBoundingClientRect(), root);
    }
    schedule("overlay");
  }

  function setPin(i, { tell = true, reveal = true } = {}) {
    if (i === pin) return;
    text.mark("ts-pin", pin, i);
    pin = i;
    if (i === null) delete root.dataset.pin;
    else root.dataset.pin = i;
    if (i !== null && reveal) bringIntoView(i);
    if (i !== null) setText(spoken, describe(i));
    schedule("overlay");
    if (tell) host.onPin?.(i);
  }

  function bringIntoView(i) {
    const span = text.span(i);
    if (!span || !scroller.contains(span)) return;
    const [outer, inner] = [scroller.getBoundingClientRect(), span.getBoundingClientRect()];
    if (inner.top >= outer.top + 8 && inner.bottom <= outer.bottom - 8) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const top = scroller.scrollTop + inner.top - outer.top - outer.height / 2;
    scroller.scrollTo({ top, behavior: calm ? "auto" : "smooth" });
  }

  function describe(i) {
    const values = run.lanes.map((lane) => `${lane.title} ${format(lane.value[i])} ${lane.unit}`);
    return [`token ${i}: ${visible(run.texts[i])}`, ...values].join(", ");
  }

  function step(event) {
    const from = pin ?? (run.count ? run.count - 1 : null);
    if (from === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const peaks = [...(chosenLane()?.peaks ?? [])].sort((a, b) => a - b);
    const moves = {
      ArrowRight: () => (event.shiftKey ? sentenceStep(run.texts, from, 1) : from + 1),
      ArrowLeft: () => (event.shiftKey ? sentenceStep(run.texts, from, -1) : from - 1),
      Home: () => 0,
      End: () => run.count - 1,
      p: () => peaks.find((peak) => peak > (pin ?? -1)),
      P: () => peaks.filter((peak) => peak < from).pop(),
      Escape: () => null,
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const to = move();
    if (to === undefined) return;
    setHover(null);
    setPin(to === null ? null : Math.max(0, Math.min(run.count - 1, to)));
  }

  const tokenOf = (event) => {
    const span = event.target.closest?.(".ts-token");
    return span && root.contains(span) ? Number(span.dataset.i) : null;
  };
  words.addEventListener("pointerover", (event) => setHover(tokenOf(event)));
  words.addEventListener("pointerleave", () => setHover(null));
  words.addEventListener("click", (event) => {
    const i = tokenOf(event);
    if (i !== null) setPin(i === pin ? null : i, { reveal: false });
  });
  words.addEventListener("keydown", step);
  lanes.element.addEventListener("pointermove", (event) => {
    const top = laneBox.getBoundingClientRect().top + 36;
    setHover(lanes.tokenAt(event.clientX), () => tooltip.placeBeside(event.clientX, top, root));
  });
  lanes.element.addEventListener("pointerleave", () => setHover(null));
  lanes.element.addEventListener("click", (event) => {
    const i = lanes.tokenAt(event.clientX);
    if (i !== null) setPin(i === pin ? null : i);
  });
  scroller.addEventListener("scroll", () => {
    setHover(null);
    following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 28;
    jump.hidden = following || run.head.state !== "running";
  });
  jump.addEventListener("click", () => {
    following = true;
    leftAt = 0;
    follow();
  });
  const resized = new ResizeObserver(() => run.head.lanes && schedule("all"));
  resized.observe(laneBox);

  function follow() {
    const running = run.head.state === "running";
    if (scroller.scrollTop < leftAt - 4) following = false;
    if (running && following) {
      scroller.scrollTop = scroller.scrollHeight;
      leftAt = scroller.scrollTop;
    }
    jump.hidden = following || !running;
  }

  /** Note how long each new token took from the model to the screen (after the frame that shows it). */
  function measure(first) {
    const stamps = run.columns.t_ms.slice(first, run.count);
    requestAnimationFrame(() =>
      setTimeout(() => {
        const now = Date.now();
        const list = (window.__thoughtscope_latency ??= []);
        for (const stamp of stamps) if (stamp === stamp) list.push(now - stamp);
        list.splice(0, list.length - LATENCIES_KEPT);
        if (list.length) root.dataset.lastLatencyMs = Math.round(list[list.length - 1]);
      }),
    );
  }

  function showKey() {
    const parts = [];
    const has = (test) => run.lanes.some(test);
    if (has((lane) => lane.low.some((value) => value === value))) parts.push(["band", "null band: what a trivial explanation gives"]);
    if (has((lane) => lane.oracle)) parts.push(["oracle", "oracle: computed with the gold answer"]);
    if (has((lane) => lane.peaks.length)) parts.push(["ring", "peak"]);
    if (run.columns.forced.some((flag) => flag)) parts.push(["forced", "written by a control"]);
    key.replaceChildren(...parts.map(([name, label]) => element("span", {}, element("i", { class: `ts-key-${name}` }), label)));
  }

  return {
    /** Take a payload (bytes); the document changes only where the run did. */
    update(bytes) {
      const before = run;
      const had = run.count;
      const merged = mergePayload(run, decodePayload(bytes));
      if (merged.missing) return host.onMissing?.(merged.from);
      run = merged.run;
      const anew = run !== before;
      if (anew) {
        setHover(null);
        setPin(null, { tell: false });
        following = true;
        leftAt = 0;
        hostPin = undefined;
        if (!run.lanes.some((lane) => lane.name === chosen)) chosen = run.head.colour ?? run.lanes[0]?.name ?? null;
      } else if (chosen === null) chosen = run.head.colour ?? run.lanes[0]?.name ?? null;
      text.update(run, anew ? 0 : merged.from);
      text.mark("ts-pin", null, pin);
      setText(question, run.head.prompt);
      asked.hidden = !run.head.prompt;
      thinking.hidden = !thinkBox.childNodes.length && run.head.state !== "running";
      answer.hidden = !answerBox.childNodes.length;
      laneBox.hidden = key.hidden = !run.lanes.length;
      root.dataset.count = run.count;
      root.dataset.state = run.head.state;
      root.dataset.run = run.id;
      if (run.head.theme !== "auto") root.dataset.theme = run.head.theme;
      colour();
      showKey();
      schedule("all");
      follow();
      if (run.head.state === "running" && !anew && run.count > had) measure(had);
      if (run.head.pin !== hostPin) {
        hostPin = run.head.pin;
        if (hostPin !== null && hostPin < run.count) setPin(hostPin, { tell: false });
      }
    },

    /** "light", "dark", or null to follow the reader's system. */
    setTheme(name) {
      if (name) root.dataset.theme = name;
      else delete root.dataset.theme;
      if (run.head.lanes) schedule("all");
    },

    state: () => ({ run: run.id, count: run.count, pin, hover, chosen, following, last: lastDefined(run.columns.p ?? [], run.count) }),

    destroy() {
      resized.disconnect();
      root.replaceChildren();
    },
  };
}
