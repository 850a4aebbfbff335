"""Recordings on disk: what comes back, what a killed process leaves, and what is refused in one line."""

import json
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from thoughtscope.probes.errors import RecordingError
from thoughtscope.probes.recording import FORMAT_VERSION, Recording
from thoughtscope.probes.store import FRAME, KEY, MARK, Journal, read_header


def tiny_recording(count=5, **meta):
    """A recording of `count` tokens with two columns."""
    columns = {"token_id": np.arange(count, dtype=np.int32), "entropy": np.linspace(0, 1, count, dtype=np.float32)}
    header = {
        "format_version": FORMAT_VERSION,
        "prompt": {"text": "How many?"},
        "model": {"n_layers": 2, "d_model": 4, "dtype": "float32"},
        "token_texts": [f" {i}" for i in range(count)],
        "events": [{"token": 1, "control": "overclock", "kind": "set", "value": 3.0, "dial": "alpha"}],
        "stop_reason": "end",
    }
    return Recording({**header, **meta}, columns)


def test_what_is_saved_comes_back(tmp_path):
    """Header and columns are equal, bit for bit, and nothing else is left in the folder."""
    run = tiny_recording(prompt={"text": "¿Ava? \u202e <b>"})
    path = run.save(tmp_path / "run.safetensors")
    again = Recording.load(path)
    assert again.meta == run.meta
    assert read_header(path) == run.meta
    for name, values in run.columns.items():
        np.testing.assert_array_equal(again.column(name), values)
        assert again.column(name).dtype == values.dtype
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]


def test_bfloat16_states_stay_bfloat16(tmp_path):
    """States of a bf16 model: 2 bytes a number in the file, and the same float32 numbers when read."""
    states = np.array([[[1.0, -2.5, 65536.0, 3e38]]], np.float32)  # bf16 numbers, two of them beyond fp16
    columns = {"token_id": np.zeros(1, np.int32), "states": states}
    model = {"n_layers": 1, "d_model": 4, "dtype": "bfloat16"}
    meta = {**tiny_recording(1).meta, "model": model, "sites": ["ln_final.hook_out"]}
    path = Recording(meta, columns).save(tmp_path / "run.safetensors")
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    assert header["states"]["dtype"] == "BF16"
    np.testing.assert_allclose(Recording.load(path).column("states"), states, rtol=2**-8)


def test_a_missing_column_names_those_that_exist():
    """What was asked for, what there is, what to do."""
    with pytest.raises(RecordingError, match=r"no column 'norm'.*entropy, token_id.*needs the tap 'blocks'"):
        tiny_recording().column("norm")


def _foreign(path):
    save_file({"x": np.zeros(3, np.float32)}, path)


def _newer(path):
    tiny_recording(format_version=FORMAT_VERSION + 1).save(path)


def _truncated(path):
    tiny_recording().save(path)
    path.write_bytes(path.read_bytes()[:-7])


def _cut_in_header(path):
    tiny_recording().save(path)
    path.write_bytes(path.read_bytes()[:60])


def _short_column(path):
    run = tiny_recording()
    columns = {**run.columns, "entropy": np.zeros(3, np.float32)}
    save_file(columns, path, {KEY: json.dumps(run.meta)})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b"12"), "too short"),
        (lambda path: path.write_text("A perfectly ordinary text file."), "not a recording"),
        (lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b"{}"), "announce"),
        (_foreign, "not a recording of Thoughtscope"),
        (_newer, "too new"),
        (_truncated, "truncated"),
        (_cut_in_header, "truncated"),
        (_short_column, r"damaged: column 'entropy' has shape \(3,\)"),
    ],
    ids=["missing", "short", "text", "oversized header", "foreign", "newer", "truncated", "cut in header", "ragged"],
)
def test_other_files_are_refused_in_one_line(tmp_path, make, says):
    """Each message has one line, names the file and says which of the reasons it is."""
    path = tmp_path / "run.safetensors"
    make(path)
    with pytest.raises(RecordingError, match=says) as caught:
        Recording.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_oversized_header_in_a_large_file_is_refused_unread(tmp_path):
    """A sparse file of 1 GB that announces a header of 100 MB: refused at once, before anything is allocated."""
    path = tmp_path / "run.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100 * 2**20))
        file.truncate(2**30)
    with pytest.raises(RecordingError, match="allowed are 67,108,864"):
        Recording.load(path)


def test_a_journal_loses_only_what_is_after_its_last_whole_frame(tmp_path):
    """Three frames of two tokens, cut anywhere in the third: four tokens, the events of the first two frames."""
    run = tiny_recording(6)
    journal = Journal(tmp_path / "run.journal")
    sizes, event = [], run.events[0]
    for start in (0, 2, 4):
        rows = {name: values[start : start + 2] for name, values in run.columns.items()}
        texts = list(run.tokens[start : start + 2])
        news = {**run.meta} if start == 0 else {}
        journal.append(rows, {**news, "token_texts": texts, "events": [{**event, "token": start}], "stop_reason": None})
        sizes.append(journal.path.stat().st_size)
    journal.close()
    whole = journal.path.read_bytes()
    assert Recording.load(journal.path).n_tokens == 6
    for cut in (sizes[1], sizes[1] + 1, sizes[1] + 30, sizes[2] - 1):
        journal.path.write_bytes(whole[:cut])
        found = Recording.load(journal.path)
        assert found.n_tokens == 4
        assert [event["token"] for event in found.events] == [0, 2]
        assert (found.meta["stop_reason"], found.meta["recovered"]) == ("killed", True)
    journal.path.write_bytes(whole[: sizes[0] - 1])
    with pytest.raises(RecordingError, match="without one whole frame"):
        Recording.load(journal.path)


def test_kill_9_in_mid_run_loses_at_most_the_last_flush(tmp_path):
    """A real process is killed while it generates: the journal opens, and lacks at most 8 of the tokens it printed."""
    journal = tmp_path / "run.journal"
    code = f"""
import sys, time
from thoughtscope.probes import Run, Sampling, load
run = Run(load("sample"), "Ava has 3 apples. Tom has 2 more apples than Ava. How many apples does Tom have?",
          sampling=Sampling(1.5, seed=1, max_tokens=900), journal={str(journal)!r})
for step in run:
    print(step.token, flush=True)
    time.sleep(0.02)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        said = -1
        deadline = time.monotonic() + 60
        while said < 30 and time.monotonic() < deadline:
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
    finally:
        process.kill()
    said = int(rest[-1]) if rest else said
    assert process.returncode == -signal.SIGKILL
    run = Recording.load(journal)
    assert said + 1 - 8 <= run.n_tokens <= said + 2
    assert run.meta["stop_reason"] == "killed"
    assert run.column("states").shape[0] == run.n_tokens


def _events(**event):
    return {"events": [{"token": 0, "control": "stop", "kind": "force", **event}]}


LIES = {
    "a list": ([1, 2], "no table"),
    "no model": ({"model": None}, "model is missing"),
    "a wide model": ({"model": {"n_layers": 2, "d_model": 10**8}}, "model.d_model is 100000000"),
    "a deep model": ({"model": {"n_layers": 10**9, "d_model": 4}}, "model.n_layers is 1000000000"),
    "no layers": ({"model": {"n_layers": 0, "d_model": 4}}, "model.n_layers is 0"),
    "a model of text": ({"model": {"n_layers": "2", "d_model": 4}}, "model.n_layers is text"),
    "true layers": ({"model": {"n_layers": True, "d_model": 4}}, "model.n_layers is yes or no"),
    "no prompt": ({"prompt": "Why?"}, "prompt is text"),
    "a prompt without text": ({"prompt": {"text": 7}}, "prompt.text is a number"),
    "five texts": ({"token_texts": 5}, "token_texts is a number"),
    "texts of numbers": ({"token_texts": [1, 2, 3, 4, 5]}, "expected a list of texts"),
    "no events": ({"events": None}, "events is missing"),
    "an event of text": ({"events": ["stop"]}, "event 0 is text"),
    "an event without token": ({"events": [{"control": "stop", "kind": "force"}]}, "event 0 has no token"),
    "an event before the first token": (_events(token=-1), "event 0 has no token"),
    "an event without control": (_events(control=None), "event 0: control is missing"),
    "an event of no kind": (_events(kind=3), "event 0: kind is a number"),
    "sampling of text": ({"sampling": "greedy"}, "sampling is text"),
    "measures of text": ({"measures": {"progress": "fast"}}, "measures.progress is text"),
    "fast as text": ({"tokens_per_second": "fast"}, "tokens_per_second is text"),
    "no version": ({"format_version": None}, "format_version is missing"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_where_it_is_read(tmp_path, lie):
    """A recording with d_model = 10**8 opened, and measuring it asked for 191 GiB; others ended in KeyErrors.

    Each is one RecordingError of one line, from the whole file, from its header alone, and from a journal.
    """
    changes, says = LIES[lie]
    run = tiny_recording()
    header = changes if isinstance(changes, list) else {**run.meta, **changes}
    finished, journal = tmp_path / "run.safetensors", tmp_path / "run.journal"
    save_file(dict(run.columns), finished, {KEY: json.dumps(header)})
    write_frame(journal, finished.read_bytes())
    for read, path in ((Recording.load, finished), (read_header, finished), (Recording.load, journal)):
        with pytest.raises(RecordingError, match="damaged") as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert says in str(caught.value) or path == journal


def write_frame(path, body):
    """A journal of one frame with a valid checksum."""
    path.write_bytes(FRAME.pack(MARK, len(body), zlib.crc32(body)) + body)


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("norm", (5, 3), "n_layers is 2"),
        ("states", (5, 1, 6), "d_model is 4"),
        ("states", (5, 2, 4), "n_sites is 1"),
        ("top3", (5, 2, 4), "3 is 3"),
        ("norm", (5,), "expected"),
    ],
)
def test_columns_have_the_sizes_that_the_header_states(tmp_path, name, shape, says):
    """A header with 2 layers of 4 numbers over arrays of other sizes opened, and failed wherever they were combined."""
    run = tiny_recording(sites=["ln_final.hook_out"])
    path = Recording(run.meta, dict(run.columns)).save(tmp_path / "run.safetensors")
    save_file({**run.columns, name: np.zeros(shape, np.float32)}, path, {KEY: json.dumps(run.meta)})
    with pytest.raises(RecordingError, match=says):
        Recording.load(path)


def test_token_ids_are_whole_numbers(tmp_path):
    """A column of token ids stored as float32 was believed; it is refused by name."""
    run = tiny_recording()
    path = tmp_path / "run.safetensors"
    save_file({"token_id": np.zeros(5, np.float32)}, path, {KEY: json.dumps(run.meta)})
    with pytest.raises(RecordingError, match=r"'token_id' has shape .* and type float32"):
        Recording.load(path)


@pytest.mark.parametrize(
    "body",
    [b"", b"no safetensors at all", b"\2\0\0\0\0\0\0\0{}", "foreign", "list", "growing", "ragged", "deep"],
    ids=str,
)
def test_a_frame_with_a_valid_checksum_and_a_bad_body_is_refused(tmp_path, body):
    """A SafetensorError or KeyError came out of Recording.load: it is one RecordingError of one line, with the path."""
    good, path = tmp_path / "good", tmp_path / "run.journal"
    run = tiny_recording()
    meta, columns = json.dumps(run.meta), dict(run.columns)
    made = {
        "foreign": (columns, None),
        "list": (columns, {KEY: "[1]"}),
        "growing": (columns, {KEY: json.dumps({**run.meta, "token_texts": "abc"})}),
        "ragged": ({**columns, "entropy": np.zeros((5, 2), np.float32)}, {KEY: meta}),
        "deep": (columns, {KEY: "[" * 100_000}),
    }
    if isinstance(body, str):
        save_file(made[body][0], good, made[body][1])
        body = good.read_bytes()
    save_file(columns, good, {KEY: meta})
    write_frame(path, good.read_bytes())
    first = path.read_bytes()
    write_frame(path, body)
    path.write_bytes(first + path.read_bytes())
    with pytest.raises(RecordingError, match="damaged") as caught:
        Recording.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
