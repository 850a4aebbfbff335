// The wire format and the run it fills in. Pure: no document, no drawing.
// Layout of a payload (written by app/traceview.py): "TSV1", header length (uint32), JSON header, then the columns as
// little-endian arrays at the offsets that the header names. A payload carries tokens start..count-1 of one run;
// merging overwrites from `start`, so a repeated, an overlapping or a full payload all give the same run.

const MAGIC = 0x31565354;
const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array };
const BLANK = { f4: NaN, f8: NaN, i4: -1, u1: 0 };
const COLUMNS = { id: "i4", segment: "u1", forced: "u1", p: "f4", rank: "i4", entropy: "f4", t_ms: "f8" };

/** Bytes to {head, columns}; the arrays are aligned copies. */
export function decodePayload(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 8 || view.getUint32(0, true) !== MAGIC) {
    throw new Error(`not a TraceView payload: ${bytes.byteLength} bytes that do not begin with TSV1`);
  }
  const body = 8 + view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, body)));
  const columns = {};
  for (const [name, [kind, offset, length]] of Object.entries(head.columns)) {
    const type = KINDS[kind];
    const start = body + offset;
    columns[name] = new type(bytes.slice(start, start + length * type.BYTES_PER_ELEMENT).buffer);
  }
  return { head, columns };
}

/** A run without tokens. */
export function emptyRun(id = null) {
  return { id, seq: -1, count: 0, texts: [], columns: {}, lanes: [], head: {} };
}

/** The array with room for `count` elements; doubled, so that appending stays cheap. */
export function grow(array, count, kind) {
  if (array && array.length >= count) return array;
  const larger = new KINDS[kind](Math.max(64, count, 2 * (array ? array.length : 0)));
  larger.fill(BLANK[kind]);
  if (array) larger.set(array);
  return larger;
}

/**
 * The run after a payload. `from` is the first token whose text, segment or author differs from before (so the
 * document needs no work before it); `missing` says that tokens before `start` never came and a full payload is needed.
 */
export function mergePayload(run, { head, columns }) {
  const same = run.id === head.run;
  if (same && head.seq < run.seq) return { run, from: run.count, missing: false };
  const names = head.lanes.map((lane) => lane.name).join();
  const sameLanes = same && run.lanes.map((lane) => lane.name).join() === names;
  const have = same ? run.count : 0;
  if (head.start > have || (head.start > 0 && !sameLanes)) return { run, from: have, missing: true };

  const next = same ? run : emptyRun(head.run);
  const from = firstChange(next, head, columns);
  next.seq = head.seq;
  next.count = head.count;
  next.head = head;
  next.texts.length = head.start;
  for (const text of head.texts) next.texts.push(text);
  for (const [name, kind] of Object.entries(COLUMNS)) {
    next.columns[name] = write(next.columns[name], columns[name], head, kind);
  }
  next.lanes = head.lanes.map((meta, k) => {
    const old = sameLanes ? run.lanes[k] : {};
    const part = (which) => write(old[which], columns[`${meta.name}.${which}`], head, "f4");
    return { ...meta, value: part("value"), low: part("low"), high: part("high") };
  });
  return { run: next, from, missing: false };
}

function write(array, values, head, kind) {
  const room = grow(array, head.count, kind);
  room.fill(BLANK[kind], head.start);
  if (values) room.set(values, head.start);
  return room;
}

function firstChange(run, head, columns) {
  const shared = Math.min(run.count, head.count);
  for (let i = head.start; i < shared; i += 1) {
    const k = i - head.start;
    const differs =
      run.texts[i] !== head.texts[k] ||
      run.columns.segment[i] !== (columns.segment ? columns.segment[k] : 0) ||
      run.columns.forced[i] !== (columns.forced ? columns.forced[k] : 0);
    if (differs) return i;
  }
  return shared;
}

/** Base64 text to bytes, for the page that carries its own data. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
}
