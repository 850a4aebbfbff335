"""Recordings on disk: one safetensors file each, and the journal that a running generation appends to.

A journal is a sequence of frames. A frame is an 8-byte mark, the length and the CRC-32 of its body, and the body, a
small safetensors file with the rows since the frame before; the first frame carries the header as well. A process that
is killed loses at most the rows after its last frame.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as save_bytes

from .errors import RecordingError, WorkError
from .recording import Recording
from .schema import COLUMNS
from .validate import validate_columns, validate_header

KEY = "thoughtscope"
MARK = b"THOUGHT1"
FRAME = struct.Struct("<8sQI")
GROWING = ("token_texts", "events")
"""Header entries that a journal adds to frame by frame."""
LARGEST_HEADER = 64 * 2**20
UNREADABLE = (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error)
"""What taking a body apart raises where it is not what it claims to be."""
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def _pack(columns: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    arrays = {name: np.ascontiguousarray(values) for name, values in columns.items()}
    return save_bytes(arrays, {KEY: json.dumps(meta, ensure_ascii=False)})


def _unpack(body: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = {name: _array(stored) for name, stored in deserialize(body)}
    (size,) = struct.unpack_from("<Q", body)
    return arrays, json.loads(json.loads(body[8 : 8 + size])["__metadata__"][KEY])


def _array(stored: Mapping[str, Any]) -> np.ndarray:
    """One tensor of a safetensors file as an array of its own; bfloat16 becomes float32, which holds it exactly."""
    dtype = _DTYPES.get(stored["dtype"])
    if dtype is None:
        raise ValueError(f"a column of type {stored['dtype']}; allowed are {', '.join(_DTYPES)}")
    flat = np.frombuffer(stored["data"], dtype)
    if stored["dtype"] == "BF16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(stored["shape"]).copy()


def write_beside(path: Path, body: bytes) -> Path:
    """Write `body` to a neighbour of `path` and rename it, so that nobody ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def save(run: Recording, path: Path) -> Path:
    """Write a recording; states keep the model's dtype when that is bfloat16."""
    columns = dict(run.columns)
    if "states" in columns and run.meta["model"].get("dtype") == "bfloat16":
        import ml_dtypes

        columns["states"] = columns["states"].astype(ml_dtypes.bfloat16)
    try:
        return write_beside(path, _pack(columns, run.meta))
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error


def load(path: Path) -> Recording:
    """Read a recording or recover a journal; see `Recording.load`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise RecordingError(f"no recording at {path}: the file does not exist") from None
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from error
    if start == MARK:
        return recover(path)
    if size < 8:
        raise RecordingError(f"{path} is truncated: {size} bytes, too short for a recording")
    header = int.from_bytes(start, "little")
    if header > LARGEST_HEADER and header > size:
        raise RecordingError(
            f"{path} is not a recording, or damaged: its first bytes announce a header of {header:,} bytes "
            f"in a file of {size:,}"
        )
    if header > LARGEST_HEADER:
        raise RecordingError(f"{path} is refused: its header has {header:,} bytes, allowed are {LARGEST_HEADER:,}")
    if header + 8 > size:
        raise RecordingError(f"{path} is truncated: its header needs {header + 8:,} bytes, the file has {size:,}")
    try:
        columns, meta = _unpack(path.read_bytes())
    except KeyError:
        raise RecordingError(f"{path} is a safetensors file, but not a recording of Thoughtscope") from None
    except UNREADABLE as error:
        reason = _line(error)
        truncated = "incomplete" in reason.lower() or "buffer" in reason.lower()
        raise RecordingError(
            f"{path} is {'truncated' if truncated else 'damaged, or not a recording'}: {reason}"
        ) from error
    return _checked(path, columns, meta)


def _line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _checked(path: Path, columns: dict[str, np.ndarray], meta: Any) -> Recording:
    try:
        validate_columns(validate_header(meta), columns)
    except RecordingError as error:
        raise RecordingError(f"{path} {error}") from None
    try:
        return Recording(meta, columns)
    except RecordingError as error:
        raise RecordingError(f"{path} is damaged: {error}") from error


def read_header(path: Path) -> dict[str, Any]:
    """The header of a finished recording, without its columns (for lists of files).

    Raises:
        RecordingError: one line that says what is wrong with it.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(LARGEST_HEADER, path.stat().st_size):
            raise RecordingError(f"{path} is not a recording, or damaged")
        try:
            meta = json.loads(json.loads(file.read(size))["__metadata__"][KEY])
        except UNREADABLE:
            raise RecordingError(f"{path} is not a recording, or damaged") from None
    try:
        return validate_header(meta)
    except RecordingError as error:
        raise RecordingError(f"{path} {error}") from None


class Journal:
    """Appends the rows of a running generation to a file, a frame at a time."""

    def __init__(self, path: Path) -> None:
        """Start an empty journal; its folder is made when missing.

        Raises:
            RecordingError: where no file can be written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise RecordingError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error

    def append(self, columns: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write one frame: new rows of the columns, and what of the header is new."""
        body = _pack(columns, meta)
        try:
            self._file.write(FRAME.pack(MARK, len(body), zlib.crc32(body)) + body)
            self._file.flush()
        except OSError as error:
            raise WorkError(f"cannot go on writing {self.path}: {error.strerror}; make room there") from error

    def close(self, *, delete: bool = False) -> None:
        """Close the file, and delete it where it is of no use."""
        self._file.close()
        if delete:
            self.path.unlink(missing_ok=True)


def recover(path: Path) -> Recording:
    """Put a recording together from the whole frames of a journal.

    Header entries of later frames replace those of earlier ones, except for those in `GROWING`, which are continued.
    """
    try:
        columns, meta = _joined(path)
    except UNREADABLE as error:
        raise RecordingError(f"{path} is damaged: a frame is not as a run writes it: {_line(error)}") from error
    if not meta:
        raise RecordingError(f"{path} is a journal without one whole frame: nothing to recover")
    return _checked(path, columns, {**meta, "recovered": True, "stop_reason": meta.get("stop_reason") or "killed"})


def _joined(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Columns and header of all whole frames, one after the other."""
    parts: dict[str, list[np.ndarray]] = {}
    meta: dict[str, Any] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(FRAME.size)) == FRAME.size:
            mark, length, check = FRAME.unpack(head)
            if mark != MARK or length > size - file.tell():
                break
            body = file.read(length)
            if zlib.crc32(body) != check:
                break
            columns, news = _unpack(body)
            for name, values in columns.items():
                parts.setdefault(name, []).append(values)
            for key, value in news.items():
                if key in GROWING:
                    meta.setdefault(key, []).extend(_list(key, value))
                else:
                    meta[key] = value
    columns = {
        name: np.concatenate(values) if name not in COLUMNS or COLUMNS[name].per_token else values[-1]
        for name, values in parts.items()
    }
    return columns, meta


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{key} is no list")
    return value
