"""TraceView from Python: packs a run for the browser, joins the view's modules, and makes a page of them.

One payload format for all hosts (bytes, read by `frontend/payload.js`):

    "TSV1" | header length, uint32 | header, UTF-8 JSON | columns, little-endian, each at a multiple of 8

The header holds run, seq, start, count, state, note, prompt, theme, colour, pin, remaining, tokens_per_second,
texts (of tokens start..count-1), forced_by {token: control}, events [{token, kind, label, by}], lanes [{name, title,
unit, oracle, domain, peaks, not_this, null_note}] and columns {name: [kind, offset, length]}, kind being f4, f8, i4 or
u1. Columns, all over tokens start..count-1: id, segment, forced, p, rank, entropy, t_ms and, for each lane,
NAME.value, NAME.low, NAME.high. NaN (and -1 for id and rank) means "not defined here".

The browser overwrites from `start`; a payload that starts after what it has makes it ask for everything
(`TraceFeed.start`). This module knows no model, no formula and no Streamlit; the Streamlit
host is `dashboard/widget.py`.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .events import authors, shown
from .theme import DARK, LEVELS, LIGHT, css_variables

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..analysis.signal import Signal
    from ..probes import Recording

__all__ = ["TraceFeed", "css", "javascript", "pack", "pack_recording", "to_html"]

MODULES = ("dom", "payload", "scales", "text", "lanes", "panel", "traceview")
COLUMNS = {"id": "i4", "segment": "u1", "forced": "u1", "p": "f4", "rank": "i4", "entropy": "f4", "t_ms": "f8"}
ALWAYS_WHOLE = 600
"""Below this many tokens a live payload is always sent whole: it is some tens of kB, and nothing can be missed."""


def pack(
    texts: Sequence[str],
    signals: Mapping[str, Signal],
    *,
    run: str,
    columns: Mapping[str, ArrayLike],
    prompt: str = "",
    events: Sequence[Mapping[str, Any]] = (),
    state: str = "finished",
    note: str = "",
    start: int = 0,
    seq: int = 0,
    remaining: float | None = None,
    tokens_per_second: float | None = None,
    colour: str | None = None,
    pin: int | None = None,
    theme: str = "auto",
) -> bytes:
    """One payload: tokens `start` and later of a run, with everything that is said of the run as a whole.

    Args:
        texts: (n_tokens,) text of every generated token, from the first; `start` is applied here.
        signals: the lanes, in the order shown.
        run: identifies the run; a new one empties the view.
        columns: any of id, segment (1 think, 2 answer, 3 end), forced, p, rank, entropy, t_ms, each (n_tokens,);
            t_ms is the wall clock in ms since 1970 at which the token was made, NaN where it was not sampled.
        prompt: the question.
        events: what controls did, as the loop logs it; `token` is the first token that felt it.
        state: "running", "paused" or "finished".
        note: why it is in that state, in a few words.
        start: the first token to send.
        seq: grows with every payload of a run; the browser ignores an older one.
        remaining: predicted thinking tokens left.
        tokens_per_second: shown beside the count.
        colour: signal that colours the text at first; the reader may choose another in the view.
        pin: token to pin and bring into view; None leaves the reader's pin alone.
        theme: "light", "dark", or "auto" to follow the host.
    """
    count = len(texts)
    if not 0 <= start <= count:
        raise ValueError(f"start is {start}; it must lie in 0..{count}, the number of tokens")
    unknown = set(columns) - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown columns {sorted(unknown)}; TraceView knows {', '.join(COLUMNS)}")
    arrays = {name: (values, COLUMNS[name]) for name, values in columns.items()}
    for name, signal in signals.items():
        arrays[f"{name}.value"] = (np.where(signal.defined, signal.values, np.nan), "f4")
        if signal.null is not None:
            arrays[f"{name}.low"], arrays[f"{name}.high"] = (signal.null.low, "f4"), (signal.null.high, "f4")

    body, index = bytearray(), {}
    for name, (values, kind) in arrays.items():
        array = np.asarray(values)
        if array.shape != (count,):
            raise ValueError(f"{name} has shape {array.shape}; the run has {count} tokens, so ({count},) is needed")
        raw = np.ascontiguousarray(array[start:], dtype=f"<{kind}").tobytes()
        index[name] = [kind, len(body), count - start]
        body += raw + bytes(-len(raw) % 8)

    head = {
        "run": run, "seq": seq, "start": start, "count": count, "state": state, "note": note, "prompt": prompt,
        "theme": theme, "colour": colour if colour in signals else next(iter(signals), None), "pin": pin,
        "remaining": _finite(remaining), "tokens_per_second": _finite(tokens_per_second), "texts": list(texts[start:]),
        "forced_by": authors(columns.get("forced", ()), events), "events": shown(events),
        "lanes": [_lane(name, signal) for name, signal in signals.items()], "columns": index,
    }  # fmt: skip
    header = json.dumps(head, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(8 + len(header)) % 8)
    return b"TSV1" + struct.pack("<I", len(header)) + header + bytes(body)


def pack_recording(
    run: Recording, signals: Mapping[str, Signal], *, name: str, began: float | None = None, **said: Any
) -> bytes:
    """The payload of a recording; `said` goes to `pack` (state, seq, start, theme, pin, ...).

    `began` is the wall clock (seconds since 1970) at which a live run began: with it the browser measures its latency.
    """
    renamed = {"id": "token_id", "segment": "segment", "forced": "forced", "rank": "rank", "entropy": "entropy"}
    columns = {ours: run.column(theirs) for ours, theirs in renamed.items() if run.has(theirs)}
    if run.has("logprob"):
        columns["p"] = np.exp(run.column("logprob"))
    if began is not None and run.has("time_s"):
        clock = 1000 * (began + np.asarray(run.column("time_s"), np.float64))
        columns["t_ms"] = np.where(run.column("forced") == 0, clock, np.nan) if run.has("forced") else clock
    said = {
        "prompt": run.meta["prompt"]["text"],
        "events": run.events,
        "note": str(run.meta.get("stop_reason") or ""),
        "tokens_per_second": run.meta.get("tokens_per_second"),
        **said,
    }
    return pack(run.tokens, signals, run=name, columns=columns, **said)


def _lane(name: str, signal: Signal) -> dict[str, Any]:
    low, high = signal.domain if signal.domain is not None else (None, None)
    return {
        "name": name,
        "title": signal.title,
        "unit": signal.unit,
        "oracle": bool(signal.oracle),
        "domain": [_finite(low), _finite(high)],
        "peaks": [int(i) for i in signal.peaks],
        "not_this": signal.not_this,
        "null_note": signal.null.description if signal.null is not None else "",
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


@dataclass
class TraceFeed:
    """What the server remembers of a live view, to send deltas; one for each view, kept in the session."""

    run: str = ""
    seq: int = 0
    sent: int = 0
    asked: float = 0.0

    def start(self, run: str, count: int, missing: Mapping[str, Any] | None) -> int:
        """First token for the next payload, and note it as sent; `missing` is the component's state of that name.

        A delta repeats the last 64 tokens. All is sent when the run is new or short, or the browser asked for it.
        """
        asked = float(missing["at"]) if missing else 0.0
        whole = run != self.run or count < ALWAYS_WHOLE or asked > self.asked
        start = 0 if whole else max(0, min(self.sent, count) - 64)
        self.run, self.seq, self.sent, self.asked = run, self.seq + 1, count, max(asked, self.asked)
        return start


def _read(name: str) -> str:
    return (Path(__file__).parent / "frontend" / name).read_text(encoding="utf-8")


@cache
def javascript(host: str) -> str:
    """The view and one host ("streamlit" or "page") as one ES module: local imports and `export` words taken out."""
    sources = [_read(f"{name}.js") for name in (*MODULES, host)]
    text = re.sub(r"^import [^;]*? from \"\./[a-z]+\.js\";\n", "", "\n".join(sources), flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)


@cache
def css() -> str:
    """The style sheet with the roles of both themes; dark follows `data-theme`, or the reader's system without one."""
    light, dark = css_variables(LIGHT), css_variables(DARK)
    level = '.ts-root [data-q="{k}"] {{ background: var(--ts-ramp-{k}); color: var(--ts-ink-{k}); }}'
    levels = "\n".join(level.format(k=k) for k in range(LEVELS))
    return (
        f".ts-root {{ {light} color-scheme: light; }}\n"
        f'.ts-root[data-theme="dark"] {{ {dark} color-scheme: dark; }}\n'
        f"@media (prefers-color-scheme: dark) {{ .ts-root:not([data-theme]) {{ {dark} color-scheme: dark; }} }}\n"
        f"{levels}\n{_read('traceview.css')}"
    )


def to_html(payload: bytes, title: str = "Thoughtscope") -> str:
    """A page that holds the view and the payload and needs nothing else; its policy forbids any request."""
    packed = base64.b64encode(gzip.compress(payload, mtime=0)).decode()
    page_css = ".ts-page { margin: 0 auto; max-width: 1180px; padding: 24px 32px; }"
    frame = (
        f"body {{ margin: 0; background: {LIGHT.background}; }}"
        f" html:has([data-theme=dark]) {{ color-scheme: dark; }}"
        f" :has([data-theme=dark]) > body {{ background: {DARK.background}; }}"
        f" @media (prefers-color-scheme: dark) {{ body:not(:has([data-theme])) {{ background: {DARK.background}; }} }}"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>\n{frame}\n{css()}\n{page_css}\n</style>\n</head>\n"
        '<body>\n<main class="ts-page"><div id="traceview"></div></main>\n'
        f'<script type="text/plain" id="traceview-data">{packed}</script>\n'
        f'<script type="module">\n{javascript("page")}</script>\n</body>\n</html>\n'
    )
