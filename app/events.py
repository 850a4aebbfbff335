"""What a control did, in the words that figures and TraceView show.

The loop logs {token, control, kind, value, dial?}: "set" when a dial was turned, "force" when tokens were written,
"pause" and "resume" by the loop itself. This module words them; it does not know what they did to the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["authors", "shown"]


def shown(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events worth a mark, as {token, kind, label, by}, in the order of their tokens.

    `kind` is what changed ("alpha", "tokens") for a dial and who acted ("stop", "budget") for forced tokens. Asking for
    a stop is left out: the stop itself follows.
    """
    marks = [_mark(event) for event in events if not (event.get("kind") == "set" and event.get("dial") == "stop")]
    return sorted(marks, key=lambda mark: mark["token"])


def _mark(event: Mapping[str, Any]) -> dict[str, Any]:
    control = str(event.get("control", ""))
    value, dial = event.get("value"), event.get("dial")
    match event.get("kind"):
        case "set":
            number = f"{value:g}" if isinstance(value, float) else "off" if value is None else str(value)
            kind, label = str(dial), f"{'α' if dial == 'alpha' else control} = {number}"
        case "force":
            kind, label = control, f"forced by {control}"
        case other:
            kind = label = str(other or control or "event")
    return {"token": int(event["token"]), "kind": kind, "label": str(event.get("label", label)), "by": control}


def authors(forced: ArrayLike, events: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Which control wrote each forced token: the last "force" event at or before it.

    Args:
        forced: (n_tokens,) nonzero where the token was forced.
        events: as the loop logged them.
    """
    forcing = sorted((int(event["token"]), str(event["control"])) for event in events if event.get("kind") == "force")
    before = {int(i): [control for token, control in forcing if token <= i] for i in np.flatnonzero(np.asarray(forced))}
    return {i: names[-1] for i, names in before.items() if names}
