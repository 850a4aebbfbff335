// Tokens to visible parts and sentences; the parts always add up to the token.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nullWords, visible } from "../../app/frontend/panel.js";
import { endsSentence, sentenceStep, splitToken } from "../../app/frontend/text.js";

test("white space is split off, and nothing is lost", () => {
  assert.deepEqual(splitToken(" Wait"), { before: " ", body: "Wait", after: "" });
  assert.deepEqual(splitToken(".\n\n"), { before: "", body: ".", after: "\n\n" });
  assert.deepEqual(splitToken("\n"), { before: "", body: "", after: "\n" });
  assert.deepEqual(splitToken("  "), { before: "", body: "  ", after: "" });
  for (const text of ["", " ", "\n a\nb \n", "  x", "<b>"]) {
    const { before, body, after } = splitToken(text);
    assert.equal(before + body + after, text);
  }
});

test("sentences end at full stops and line breaks, not inside numbers", () => {
  assert.deepEqual([".", "?", '."', ")", "a\n", "3.5"].map(endsSentence), [true, true, true, false, true, false]);
});

test("steps by sentence land on first tokens", () => {
  const texts = ["A", " b", ".", " C", " d", "?", " E"];
  assert.deepEqual([0, 2, 3, 6].map((i) => sentenceStep(texts, i, 1)), [3, 3, 6, 6]);
  assert.deepEqual([0, 2, 3, 6].map((i) => sentenceStep(texts, i, -1)), [0, 0, 0, 3]);
});

test("a value is told from its null band", () => {
  const lane = { value: [3, 1.5, 0, 1, NaN], low: [1, 1, 1, NaN, 1], high: [2, 2, 2, NaN, 2] };
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => nullWords(lane, i)), ["above null", "within null", "below null", "", ""]);
});

test("white space is visible in the tooltip", () => {
  assert.equal(visible(" a\n\tb"), "·a↵⇥b");
  assert.equal(visible(""), "(empty)");
});
