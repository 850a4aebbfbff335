// The browser's side of the wire: payloads of any overlap must give the same run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePayload, emptyRun, grow, mergePayload } from "../../app/frontend/payload.js";

const LANE = { name: "entropy", title: "Entropy", unit: "nats", oracle: false, domain: [0, null], peaks: [] };

function message(start, count, { run = "a", seq = 0, lanes = [LANE], text = (i) => `t${i}` } = {}) {
  const tokens = Array.from({ length: count - start }, (_, k) => start + k);
  const columns = { segment: Uint8Array.from(tokens, () => 1), id: Int32Array.from(tokens), "entropy.value": Float32Array.from(tokens) };
  return { head: { run, seq, start, count, lanes, texts: tokens.map(text), events: [] }, columns };
}

test("a payload decodes to aligned arrays, from any offset in a larger buffer", () => {
  const head = new TextEncoder().encode('{"columns":{"p":["f4",0,2]}}'.padEnd(32));
  const bytes = new Uint8Array(1 + 8 + 32 + 8);
  bytes.set([0x54, 0x53, 0x56, 0x31, 32], 1);
  bytes.set(head, 9);
  bytes.set(new Uint8Array(Float32Array.from([0.5, 2]).buffer), 41);
  assert.deepEqual([...decodePayload(bytes.subarray(1)).columns.p], [0.5, 2]);
});

test("what is no payload is said", () => {
  assert.throws(() => decodePayload(new TextEncoder().encode("{}")), /not a TraceView payload: 2 bytes/);
});

test("deltas that touch, overlap or repeat give the run of one full payload", () => {
  let { run } = mergePayload(emptyRun(), message(0, 3));
  for (const [start, count] of [[3, 5], [2, 6], [0, 6], [6, 200], [150, 230]]) run = mergePayload(run, message(start, count, { seq: count })).run;
  const whole = mergePayload(emptyRun(), message(0, 230, { seq: 230 })).run;
  assert.deepEqual(run.texts, whole.texts);
  assert.deepEqual(run.columns.id.slice(0, 230), whole.columns.id.slice(0, 230));
  assert.deepEqual(run.lanes[0].value.slice(0, 230), whole.lanes[0].value.slice(0, 230));
});

test("only what changed is reported as changed", () => {
  const { run } = mergePayload(emptyRun(), message(0, 5));
  assert.equal(mergePayload(run, message(0, 8, { seq: 1 })).from, 5);
  const rewritten = mergePayload(run, message(2, 8, { seq: 2, text: (i) => (i === 6 ? "other" : `t${i}`) }));
  assert.equal(rewritten.from, 6);
  assert.equal(mergePayload(run, message(0, 4, { seq: 3 })).from, 4);
  assert.equal(run.count, 4);
});

test("a gap is missing, and leaves the run alone", () => {
  const { run } = mergePayload(emptyRun(), message(0, 5));
  const late = mergePayload(run, message(7, 9, { seq: 1 }));
  assert.equal(late.missing, true);
  assert.equal(late.from, 5);
  assert.equal(run.count, 5);
  assert.equal(mergePayload(run, message(3, 6, { run: "b" })).missing, true);
  assert.equal(mergePayload(run, message(3, 6, { seq: 1, lanes: [{ ...LANE, name: "progress" }] })).missing, true);
});

test("an older payload is ignored, another run starts anew", () => {
  const { run } = mergePayload(emptyRun(), message(0, 5, { seq: 4 }));
  assert.equal(mergePayload(run, message(0, 2, { seq: 3 })).run.count, 5);
  const other = mergePayload(run, message(0, 2, { run: "b" }));
  assert.equal(other.run.id, "b");
  assert.equal(other.run.count, 2);
  assert.notEqual(other.run, run);
});

test("absent columns are undefined, not zero", () => {
  const { run } = mergePayload(emptyRun(), message(0, 2));
  assert.ok(Number.isNaN(run.columns.p[0]));
  assert.equal(run.columns.rank[1], -1);
  assert.ok(Number.isNaN(run.lanes[0].low[0]));
});

test("growing doubles and keeps", () => {
  const first = grow(undefined, 3, "i4");
  first[2] = 7;
  const second = grow(first, 65, "i4");
  assert.equal(second.length, 128);
  assert.equal(second[2], 7);
  assert.equal(grow(second, 100, "i4"), second);
});
