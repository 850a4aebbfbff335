"""Make `docs/recording-format.md` from the table of columns: `.venv/bin/python docs/format.py`."""

from __future__ import annotations

from pathlib import Path

from thoughtscope.probes.recording import FORMAT_VERSION
from thoughtscope.probes.schema import COLUMNS
from thoughtscope.probes.store import KEY

TARGET = Path(__file__).with_name("recording-format.md")


def text() -> str:
    """The page."""
    names = ("name", "dims", "dtype", "unit", "needs", "meaning")
    rows = []
    for column in COLUMNS.values():
        cells = {**vars(column), "name": f"`{column.name}`", "dims": ", ".join(column.dims)}
        rows.append("| " + " | ".join(cells[name] for name in names) + " |")
    return f"""# The recording format, version {FORMAT_VERSION}

Made by `docs/format.py` from `probes/schema.py`; do not edit.

A recording is one [safetensors](https://github.com/huggingface/safetensors) file. Its metadata entry `{KEY}` is a JSON
header: model and fingerprint, engine, prompt with token ids, sampling, thinking marks, controls as they stood at the
start, events, parameters of the live signals, sites of the raw states, token texts, answer, verdict and the rule that
judged, stop reason, library versions.

Row j of a per-token column belongs to the state and the logits that chose generated token j (PREDICT alignment).
`n_sites` follows `sites` in the header, `n_mi_layers` follows `measures.dependence.sites`, `n_directions` follows
`measures.projection`, `n_markers` follows `measures.markers`. A column is present when its tap was on. Raw states keep
the model's precision (bfloat16 stays bfloat16).

While a run goes on, a journal is appended to: frames of an 8-byte mark, the length and the CRC-32 of a body, and the
body, a small file of the same form with the rows since the frame before. Opening a journal recovers every whole frame.

| column | dims | dtype | unit | tap | meaning |
|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    TARGET.write_text(text())
