// Numbers to positions, levels and labels: every expectation can be checked by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axisEnd, colourDomain, format, formatTick, laneDomain, level, niceDomain, niceStep, outline, ticks } from "../../app/frontend/scales.js";

const lane = (value, { domain = [null, null], low = [], high = [] } = {}) => ({
  value: Float32Array.from(value), low: Float32Array.from(low), high: Float32Array.from(high), domain,
});

test("steps are 1, 2 or 5 times a power of ten", () => {
  assert.deepEqual([niceStep(10, 5), niceStep(1, 4), niceStep(0.07, 7), niceStep(0, 3)], [2, 0.5, 0.01, 1]);
});

test("domains are round, and never empty", () => {
  assert.deepEqual(niceDomain(0.03, 1.87), [0, 2]);
  assert.deepEqual(niceDomain(Infinity, -Infinity), [0, 1]);
  const [low, high] = niceDomain(3, 3);
  assert.ok(low < 3 && high > 3);
});

test("a lane shows its null band, and its own bounds when they are near", () => {
  assert.deepEqual(laneDomain(lane([0.2, 0.9], { domain: [0, 1] }), 2), [0, 1]);
  assert.deepEqual(laneDomain(lane([1, 2], { low: [0.1, 0.1], high: [3.9, 3.9] }), 2), [0, 4]);
  assert.deepEqual(laneDomain(lane([NaN, NaN], { domain: [0, null] }), 2), [0, 1]);
});

test("one outlier does not bleach the colours", () => {
  const values = Array.from({ length: 100 }, (_, i) => i / 50).concat([1000]);
  assert.deepEqual(colourDomain(lane(values, { domain: [0, null] }), 101), [0, 2]);
});

test("levels cover the ramp, clip outside and skip what is not defined", () => {
  const levels = [-1, 0, 0.5, 0.999, 1, 7, NaN].map((value) => level(value, [0, 1], 25));
  assert.deepEqual(levels, [0, 0, 12, 24, 24, 24, -1]);
});

test("the axis of a running run has air and moves in jumps", () => {
  assert.equal(axisEnd(313, false), 313);
  assert.equal(axisEnd(1, true), 64);
  const ends = Array.from({ length: 400 }, (_, i) => axisEnd(100 + i, true));
  assert.ok(ends.every((end, i) => end > 100 + i));
  // 16 tokens a step below token 128, 32 below 256, 64 below 512: about 2 + 4 + 4 steps, and those reached ahead.
  assert.ok(new Set(ends).size <= 13, `${new Set(ends).size} lengths of the axis over 400 tokens`);
});

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(100, 400), [0, 50]);
  assert.deepEqual(ticks(100, 900), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
});

test("an outline denser than pixels keeps the spike and the gap", () => {
  const values = new Float32Array(10000).fill(1);
  values[4321] = 50;
  values.fill(NaN, 6000, 7000);
  const points = outline(values, 10000, 10000, 100);
  assert.ok(points.length <= 200);
  assert.deepEqual(points.find(([, value]) => value === 50), [4321, 50]);
  assert.equal(points.filter(([, value]) => Number.isNaN(value)).length, 10);
  assert.ok(points.every(([i], k) => k === 0 || i >= points[k - 1][0]));
});

test("an outline with room keeps every token", () => {
  assert.deepEqual(outline(Float32Array.from([1, NaN, 3]), 3, 64, 800).map(([i]) => i), [0, 1, 2]);
});

test("numbers are short and say when they are not there", () => {
  assert.deepEqual([NaN, null, 0, 0.003, 0.5, 12.34, 456.7, 23456].map(format), ["–", "–", "0.00", "0.003", "0.50", "12.3", "457", "23.5k"]);
  assert.deepEqual([2, 0.25, 20000].map(formatTick), ["2", "0.25", "20k"]);
});
