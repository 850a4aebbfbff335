// The generated text as spans, one a token. Model text enters the document through `textContent` and text nodes only.
// White space stays outside the coloured span, so that colour sits on words and copied text is exact.

import { element } from "./dom.js";

const THINK = 1;
const END = 3;

/** Visible parts of a token: the spaces before it, the words, the line breaks after it. */
export function splitToken(text) {
  const after = text.match(/\n*$/)[0];
  const rest = text.slice(0, text.length - after.length);
  const before = rest.match(/^ *(?=\S)/)?.[0] ?? "";
  return { before, body: rest.slice(before.length), after };
}

/** True where a reader would say a sentence ends. */
export function endsSentence(text) {
  return /[.?!]["')\]]*\s*$/.test(text) || text.includes("\n");
}

/** First token of the sentence after (direction 1) or before (-1) the one that holds token `i`. */
export function sentenceStep(texts, i, direction) {
  const starts = [0];
  for (let j = 0; j + 1 < texts.length; j += 1) if (endsSentence(texts[j])) starts.push(j + 1);
  if (direction > 0) return starts.find((start) => start > i) ?? texts.length - 1;
  return starts.filter((start) => start < i).pop() ?? 0;
}

export function createText(thinkBox, answerBox) {
  const tokens = []; // {span, nodes}
  let lines = { think: null, answer: null };

  function truncate(count) {
    for (const { nodes } of tokens.splice(count)) for (const node of nodes) node.remove();
    for (const box of [thinkBox, answerBox]) {
      while (box.lastElementChild && !box.lastElementChild.childNodes.length) box.lastElementChild.remove();
    }
    lines = { think: openLine(thinkBox), answer: openLine(answerBox) };
  }

  function openLine(box) {
    const last = box.lastElementChild;
    return last && !last.lastElementChild.matches(".ts-break") ? last : null;
  }

  function lineFor(box, name) {
    if (!lines[name]) {
      lines[name] = element("div", { class: "ts-line" });
      box.append(lines[name]);
    }
    return lines[name];
  }

  function add(run, i) {
    const text = run.texts[i];
    const segment = run.columns.segment[i];
    const thinking = segment === THINK || (segment === END && !answerBox.childNodes.length);
    const name = thinking ? "think" : "answer";
    const line = lineFor(thinking ? thinkBox : answerBox, name);
    const { before, body, after } = splitToken(text);
    const span = element("span", { class: "ts-token", "data-i": i, "data-seg": segment });
    span.textContent = body;
    if (segment === END || /^<[^<>]+>$/.test(body)) span.classList.add("ts-special");
    if (after) span.classList.add("ts-newline");
    if (!text) span.classList.add("ts-blank");
    if (run.columns.forced[i]) {
      span.classList.add("ts-forced");
      const by = run.head.forced_by?.[i];
      if (by && run.head.forced_by?.[i - 1] !== by) span.dataset.by = by;
    }
    const nodes = [span];
    if (before) nodes.unshift(document.createTextNode(before));
    if (after) nodes.push(element("span", { class: "ts-break" }, after));
    line.append(...nodes);
    if (after) {
      if (after.length > 1) line.classList.add("ts-paragraph");
      if (!line.querySelector(".ts-token:not(:empty)")) line.classList.add("ts-bare");
      lines[name] = null;
    }
    tokens.push({ span, nodes });
  }

  return {
    /** Bring the document to the run; tokens before `from` are as they were. */
    update(run, from) {
      if (from < tokens.length) truncate(from);
      for (let i = tokens.length; i < run.count; i += 1) add(run, i);
    },

    /** Colour by level and ring the peaks; `levels[i]` is -1 where there is nothing to show. */
    colour(levels, peaks) {
      const ringed = new Set(peaks);
      tokens.forEach(({ span }, i) => {
        const wanted = levels[i] < 0 ? undefined : String(levels[i]);
        if (span.dataset.q !== wanted) {
          if (wanted === undefined) delete span.dataset.q;
          else span.dataset.q = wanted;
        }
        if (ringed.has(i) !== span.classList.contains("ts-peak")) span.classList.toggle("ts-peak");
      });
    },

    span: (i) => tokens[i]?.span,
    mark(name, old, now) {
      tokens[old]?.span.classList.remove(name);
      tokens[now]?.span.classList.add(name);
    },
  };
}
