"""Signals as text: JSON for machines, CSV for spreadsheets, a short table for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..analysis.signal import Signal
    from ..probes.recording import Recording


def plain(values: np.ndarray) -> list[Any]:
    """An array as nested lists, with null in place of what is not a number."""
    listed = values.tolist()
    return _without_nan(listed)


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(signal: Signal) -> dict[str, Any]:
    """What `thoughtscope measure --json` prints of one signal; keys are added, never renamed."""
    return {
        "title": signal.title,
        "unit": signal.unit,
        "alignment": signal.alignment,
        "oracle": signal.oracle,
        "values": plain(signal.values),
        "null": {
            "kind": signal.null.kind,
            "low": plain(signal.null.low),
            "high": plain(signal.null.high),
            "description": signal.null.description,
        },
        "peaks": signal.peaks.tolist(),
        "parts": {name: plain(np.asarray(part)) for name, part in signal.parts.items()},
        "reference": signal.reference,
        "not_this": signal.not_this,
    }


def csv_lines(run: Recording, signals: Mapping[str, Signal]) -> list[str]:
    """A header and one line a token: index, text, then each signal with its null band."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [column for name in signals for column in (name, f"{name}_null_low", f"{name}_null_high")]
    writer.writerow(["token", "text", "segment", "forced", *names])
    for index, text in enumerate(run.tokens):
        cells = [
            "" if not math.isfinite(value) else f"{value:.6g}"
            for signal in signals.values()
            for value in (signal.values[index], signal.null.low[index], signal.null.high[index])
        ]
        where = [int(run.column("segment")[index]), int(run.column("forced")[index])]
        writer.writerow([index, text, *where, *cells])
    return file.getvalue().splitlines()


def summary_lines(run: Recording, signals: Mapping[str, Signal]) -> list[str]:
    """One line a signal: where it ran, how much of it lies outside its null, and its highest peaks with their words."""
    lines = [f"{'signal':<30}{'unit':<26}{'median':>9}{'lowest':>9}{'highest':>9}{'outside null':>14}  peaks"]
    for name, signal in signals.items():
        values = signal.values[signal.defined]
        outside = (values < signal.null.low[signal.defined]) | (values > signal.null.high[signal.defined])
        numbers = "".join(f"{f(values):>9.3g}" if len(values) else f"{'-':>9}" for f in (np.median, np.min, np.max))
        share = f"{outside.mean():>13.0%} " if len(values) else f"{'-':>14}"
        best = sorted(signal.peaks.tolist(), key=lambda at: -signal.values[at])[:4]
        words = ", ".join(f"{run.tokens[at].strip() or 'line break'} ({at})" for at in best) or "none"
        shown = f"{name}{' (oracle)' if signal.oracle else ''}"
        lines.append(f"{shown:<30}{signal.unit:<26}{numbers}{share}  {words}")
    return lines
