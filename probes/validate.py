"""What a file must say of itself before anything believes it: types of the header, and sizes that agree.

A recording may come from anybody. Sizes in its header become sizes of arrays later on, and its texts and events are
shown, so all of them are checked here, once, when a file is opened. What the numbers mean is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from .errors import RecordingError
from .recording import FORMAT_VERSION
from .schema import COLUMNS, numpy_dtype

LARGEST = {"n_layers": 10_000, "d_model": 131_072, "vocab": 100_000_000}
"""Sizes of a model that are believed; all models there are lie far below."""
LAST_TOKEN = 2**31 - 1
TABLES = ("prompt", "model")
OPTIONAL_TABLES = ("sampling", "thinking", "measures")


def validate_header(meta: Any) -> dict[str, Any]:
    """The header as it is, once it is known to be one.

    Raises:
        RecordingError: one line that goes on after the file's name: "is damaged: ..." or "is too new: ...".
    """
    if not isinstance(meta, dict):
        raise _damaged(f"its header is no table but {_kind(meta)}")
    version = meta.get("format_version")
    if not _is_whole(version):
        raise _damaged(f"format_version is {_kind(version)}, expected a whole number")
    if version > FORMAT_VERSION:
        raise RecordingError(
            f"is too new: format {version}, this version reads up to {FORMAT_VERSION}; update thoughtscope"
        )
    for name in TABLES:
        if not isinstance(meta.get(name), dict):
            raise _damaged(f"{name} is {_kind(meta.get(name))}, expected a table")
    for name in OPTIONAL_TABLES:
        _check_optional(name, meta.get(name), dict, "a table")
    for name in ("progress", "dependence"):
        _check_optional(f"measures.{name}", (meta.get("measures") or {}).get(name), dict, "a table")
    _check_optional("prompt.ids", meta["prompt"].get("ids"), list, "a list")
    if not isinstance(meta["prompt"].get("text"), str):
        raise _damaged(f"prompt.text is {_kind(meta['prompt'].get('text'))}, expected text")
    _check_model(meta["model"])
    _check_texts("token_texts", meta.get("token_texts"))
    _check_texts("sites", meta.get("sites") or [])
    _check_events(meta.get("events"))
    speed = meta.get("tokens_per_second")
    if speed is not None and not isinstance(speed, float) and not _is_whole(speed):
        raise _damaged(f"tokens_per_second is {_kind(speed)}, expected a number")
    return meta


def validate_columns(meta: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
    """Check that columns have the sizes that the (valid) header states, and agree with one another.

    Raises:
        RecordingError: as `validate_header`.
    """
    sizes = {name: meta["model"][name] for name in ("n_layers", "d_model")}
    sizes |= {"n_tokens": len(meta["token_texts"]), "n_sites": len(meta.get("sites") or ()), "3": 3}
    for name, values in columns.items():
        column = COLUMNS.get(name)
        if column is None:
            continue  # a newer writer may keep more than we know
        whole = np.issubdtype(numpy_dtype(column), np.integer)
        if values.ndim != len(column.dims) or (whole and values.dtype.kind not in "iub"):
            raise _damaged(
                f"column {name!r} has shape {values.shape} and type {values.dtype}, "
                f"expected ({', '.join(column.dims)}) and {column.dtype}"
            )
        for dim, length in zip(column.dims, values.shape, strict=True):
            if sizes.setdefault(dim, length) != length:
                raise _damaged(f"column {name!r} has shape {values.shape}, but {dim} is {sizes[dim]}")


def _check_model(model: Mapping[str, Any]) -> None:
    for name, most in LARGEST.items():
        size = model.get(name)
        if name == "vocab" and size is None:
            continue
        if not _is_whole(size) or not 1 <= size <= most:
            given = size if _is_whole(size) and abs(size) < 10**15 else _kind(size)
            raise _damaged(f"model.{name} is {given}, expected a whole number from 1 to {most:,}")


def _check_optional(name: str, value: Any, kind: type, expected: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise _damaged(f"{name} is {_kind(value)}, expected {expected}")


def _check_texts(name: str, texts: Any) -> None:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _damaged(f"{name} is {_kind(texts)}, expected a list of texts")


def _check_events(events: Any) -> None:
    if not isinstance(events, list):
        raise _damaged(f"events is {_kind(events)}, expected a list")
    for place, event in enumerate(events):
        if not isinstance(event, dict):
            raise _damaged(f"event {place} is {_kind(event)}, expected a table")
        token = event.get("token")
        if not _is_whole(token) or not 0 <= token <= LAST_TOKEN:
            raise _damaged(f"event {place} has no token that it belongs to; expected a whole number from 0")
        for name in ("control", "kind"):
            if not isinstance(event.get(name), str):
                raise _damaged(f"event {place}: {name} is {_kind(event.get(name))}, expected text")


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """What a value from a file is, without repeating it: it may be long, and it is not ours."""
    names = {dict: "a table", list: "a list", str: "text", bool: "yes or no", int: "a number", float: "a number"}
    return "missing" if value is None else names.get(type(value), type(value).__name__)


def _damaged(reason: str) -> RecordingError:
    return RecordingError(f"is damaged: {reason}")
