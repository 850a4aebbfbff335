"""The library folder: names, lists, and what a browser may ask for."""

import json
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from thoughtscope.app import library
from thoughtscope.probes.errors import RecordingError
from thoughtscope.probes.recording import Recording
from thoughtscope.probes.store import FRAME, KEY, MARK, Journal

META = {
    "format_version": 1,
    "model": {"name": "tiny", "n_layers": 1, "d_model": 4},
    "prompt": {"text": "How many?"},
    "events": [],
    "token_texts": ["a", "b"],
    "correct": True,
    "problem": "dev-3",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THOUGHTSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recording() -> Recording:
    return Recording(META, {"token_id": np.array([1, 2], np.int32)})


def test_an_empty_library_has_no_entries() -> None:
    """The folder does not exist yet: no entries and no error."""
    assert library.entries() == []


def test_entries_show_headers_newest_first(home: Path) -> None:
    """Two recordings of 2 tokens, the later one first; title and question come from the header."""
    for age, name in enumerate(("new", "old")):
        path = recording().save(home / f"{name}.safetensors")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    found = library.entries()
    assert [entry.name for entry in found] == ["new.safetensors", "old.safetensors"]
    assert (found[0].title, found[0].question, found[0].n_tokens) == ("dev-3", "How many?", 2)


def test_a_journal_is_listed_and_opens(home: Path) -> None:
    """What a killed process left behind is an entry with its 2 tokens, marked as a journal."""
    journal = Journal(home / "killed.journal")
    journal.append({"token_id": np.array([1, 2], np.int32)}, META)
    journal.close()
    (entry,) = library.entries()
    assert entry.is_journal
    assert entry.n_tokens == 2
    assert Recording.load(library.find("killed.journal")).meta["recovered"] is True


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 64, b"THOUGHT1 and then nothing"])
@pytest.mark.parametrize("suffix", ["safetensors", "journal"])
def test_damaged_files_are_listed_with_the_reason(home: Path, content: bytes, suffix: str) -> None:
    """One entry with a reason and an empty header, whatever the bytes are; the list does not fail."""
    home.mkdir()
    (home / f"bad.{suffix}").write_bytes(content)
    (entry,) = library.entries()
    assert entry.trouble
    assert (entry.header, entry.n_tokens, entry.question) == ({}, 0, "")


@pytest.mark.parametrize("changes", [{"token_texts": 5}, {"model": None}, {"events": [{}]}, None])
def test_a_header_of_the_wrong_kind_is_listed_with_the_reason(home: Path, changes: dict | None) -> None:
    """`token_texts: 5` raised a TypeError in the list of recordings; it is one entry with a reason, and 0 tokens."""
    home.mkdir()
    header = [1] if changes is None else {**META, **changes}
    save_file({"token_id": np.array([1, 2], np.int32)}, home / "bad.safetensors", {KEY: json.dumps(header)})
    (entry,) = library.entries()
    assert "damaged" in entry.trouble
    assert (entry.n_tokens, entry.title, entry.question) == (0, "bad", "")


def test_a_journal_with_a_bad_body_does_not_end_the_list(home: Path) -> None:
    """One journal with a valid checksum over a bad body raised out of `entries`: 2 entries, one with a reason."""
    recording().save(home / "good.safetensors")
    body = b"not a safetensors file"
    (home / "bad.journal").write_bytes(FRAME.pack(MARK, len(body), zlib.crc32(body)) + body)
    assert {entry.name: bool(entry.trouble) for entry in library.entries()} == {
        "good.safetensors": False,
        "bad.journal": True,
    }


def test_a_journal_that_grew_just_now_is_somebody_s(home: Path) -> None:
    """The journal of a run on the command line could be deleted under it: growing now, left behind 60 s later."""
    saved = recording().save(home / "done.safetensors")
    journal = home / "run.journal"
    journal.write_bytes(b"")
    assert library.is_growing(journal)
    os.utime(journal, (time.time() - 60,) * 2)
    assert not library.is_growing(journal)
    assert not library.is_growing(saved)
    assert not library.is_growing(home / "gone.journal")


def test_strange_files_are_left_out(home: Path) -> None:
    """Other suffixes and hidden files (a recording being written) are not recordings: 0 entries."""
    home.mkdir()
    (home / "notes.txt").write_text("x")
    (home / ".half.safetensors.1.tmp").write_text("x")
    (home / ".hidden.safetensors").write_text("x")
    assert library.entries() == []


@pytest.mark.parametrize(
    "name",
    ["../outside.safetensors", "/etc/passwd", "a/../../outside.safetensors", "", ".", "..", "link.safetensors", "a\0b",
     "sub/inner.safetensors", "..\\outside.safetensors", "notes.txt", "missing.safetensors"],
)  # fmt: skip
def test_names_cannot_leave_the_library(home: Path, name: str) -> None:
    """Each is refused with the same one-line error: outside, through a link, in a sub-folder, another kind, missing."""
    outside = recording().save(home.parent / "outside.safetensors")
    recording().save(home / "sub" / "inner.safetensors")
    (home / "notes.txt").write_text("x")
    (home / "link.safetensors").symlink_to(outside)
    with pytest.raises(RecordingError, match="no recording"):
        library.find(name)
    with pytest.raises(RecordingError, match="no recording"):
        library.delete(name)
    assert outside.exists()


def test_delete_deletes_one(home: Path) -> None:
    """Of two files one is left."""
    for name in ("a", "b"):
        recording().save(home / f"{name}.safetensors")
    library.delete("a.safetensors")
    assert [entry.name for entry in library.entries()] == ["b.safetensors"]


def test_new_paths_are_safe_and_not_taken(home: Path) -> None:
    """Slashes and dots of a question are gone, and a journal of the same second takes the first name."""
    first = library.new_path("../../Ava has 3 <b>apples</b>?")
    assert first.parent == home
    assert first.name.startswith("ava-has-3-b-apples-b-")
    first.with_suffix(".journal").parent.mkdir()
    first.with_suffix(".journal").touch()
    assert library.new_path("../../Ava has 3 <b>apples</b>?") != first
    assert library.new_path("?!").name.startswith("run-")
