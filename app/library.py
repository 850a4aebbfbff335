"""The library: the folder where recordings go when nobody says otherwise, and what is in it.

`THOUGHTSCOPE_HOME` names the folder, else it is the platform's user data folder. A recording is `NAME.safetensors`; a
run that is not saved (still going, or its process was killed) is a `NAME.journal` that opens like one. Names that come
from a browser are looked up here and cannot leave the folder. This module reads headers; it knows no signal.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..probes.errors import RecordingError
from ..probes.recording import Recording

__all__ = ["Entry", "delete", "entries", "find", "folder", "is_growing", "new_path"]

SAVED, JOURNAL = ".safetensors", ".journal"
LONGEST_SLUG = 40
SETTLED = 10.0
"""Seconds without a new frame after which a journal counts as left behind; a run writes one every few tokens."""


@dataclass(frozen=True)
class Entry:
    """One file of the library, as a list shows it."""

    name: str
    """File name, unique in the library."""
    path: Path
    modified: float
    """Seconds since 1970."""
    size: int
    """Bytes."""
    header: Mapping[str, Any]
    """The recording's header; empty when it cannot be read."""
    trouble: str = ""
    """Why the header cannot be read, one line."""

    @property
    def is_journal(self) -> bool:
        """Whether this is what is left of a run that was not saved."""
        return self.path.suffix == JOURNAL

    @property
    def title(self) -> str:
        """Problem id, or the file's name."""
        return str(self.header.get("problem") or self.path.stem)

    @property
    def question(self) -> str:
        """What was asked."""
        prompt = self.header.get("prompt")
        return str(prompt.get("text", "")) if isinstance(prompt, dict) else ""

    @property
    def n_tokens(self) -> int:
        """Number of generated tokens."""
        return len(self.header.get("token_texts") or ())


def folder() -> Path:
    """Where recordings are kept; it need not exist yet."""
    given = os.environ.get("THOUGHTSCOPE_HOME")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("thoughtscope", appauthor=False)


def new_path(label: str) -> Path:
    """A path in the library that is not taken, for a recording of `label` (a problem id, a question)."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower())[:LONGEST_SLUG].strip("-") or "run"
    stem, count = f"{slug}-{time.strftime('%Y%m%d-%H%M%S')}", 1
    path = folder() / f"{stem}{SAVED}"
    while path.exists() or path.with_suffix(JOURNAL).exists():
        count += 1
        path = folder() / f"{stem}-{count}{SAVED}"
    return path


def find(name: str) -> Path:
    """The file of that name in the library.

    Raises:
        RecordingError: when there is none, or the name points out of the library.
    """
    place = folder()
    path = place / name
    plain = Path(name).name == name and "\\" not in name and "\0" not in name and path.suffix in (SAVED, JOURNAL)
    if not plain or not path.is_file() or path.resolve().parent != place.resolve():
        raise RecordingError(f"no recording {name!r} in the library {place}; choose one from the list")
    return path


def is_growing(path: Path) -> bool:
    """Whether somebody may still be writing this file: a journal that got a frame just now."""
    try:
        return path.suffix == JOURNAL and abs(time.time() - path.stat().st_mtime) < SETTLED
    except OSError:
        return False  # gone: saved, or deleted


def delete(name: str) -> None:
    """Delete a file of the library for good."""
    find(name).unlink()


def entries() -> list[Entry]:
    """Everything in the library, newest first; what cannot be read is listed with the reason."""
    found = []
    place = folder()
    for path in place.iterdir() if place.is_dir() else ():
        if path.suffix not in (SAVED, JOURNAL) or path.name.startswith("."):
            continue
        try:
            stat = path.stat()
        except OSError:
            continue  # gone since the folder was listed
        try:
            header, trouble = _header(path, stat.st_mtime_ns, stat.st_size), ""
        except (RecordingError, OSError) as error:
            header, trouble = {}, str(error).removeprefix(f"{path} ").removeprefix("is ")
        found.append(Entry(path.name, path, stat.st_mtime, stat.st_size, header, trouble))
    return sorted(found, key=lambda entry: entry.modified, reverse=True)


@lru_cache(maxsize=512)
def _header(path: Path, _modified: int, _size: int) -> Mapping[str, Any]:
    """The header of a file; read again only when the file changed."""
    if path.suffix == JOURNAL:
        return Recording.load(path).meta
    from ..probes.store import read_header

    return read_header(path)
