// Host for a self-contained page: the payload is in the document, as base64 of gzip.

import { fromBase64 } from "./payload.js";
import { mountTrace } from "./traceview.js";

async function start() {
  const packed = fromBase64(document.getElementById("traceview-data").textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  mountTrace(document.getElementById("traceview")).update(new Uint8Array(await new Response(stream).arrayBuffer()));
}

start();
