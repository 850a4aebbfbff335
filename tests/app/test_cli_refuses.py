"""The command line given what it cannot use: exit 2, one clear message on stderr, nothing printed, nothing left."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from thoughtscope.sample_data import MODEL_FOLDER

ASKED = "Ava has 3 apples. Tom has 2 more apples than Ava. How many apples does Tom have?"


def found(pattern, text):
    """Whether the pattern is in the text, over line breaks."""
    return re.search(pattern, text, re.DOTALL) is not None


WRONG = {
    "empty prompt": (["  "], "the prompt is empty.*--problem dev-0"),
    "no prompt": ([], "PROMPT or --problem ID, neither.*--problem dev-0"),
    "prompt and problem": ([ASKED, "--problem", "dev-0"], "PROMPT or --problem ID, both.*--problem dev-0"),
    "unknown problem": (["--problem", "exam-1"], "'exam-1'.*train, dev, held.*dev-0"),
    "a number that is none": (["--problem", "dev-²"], "'dev-²'.*dev-0"),
    "a problem's answer": (["--problem", "dev-0", "--gold", "5"], "--gold 5.*leave out --gold"),
    "unknown model": ([ASKED, "--model", "nobody/nothing"], "nobody/nothing.*check the spelling.*give a folder"),
    "no such folder": ([ASKED, "--model", "./nowhere"], "folder ./nowhere does not exist.*'sample'"),
    "unknown engine": ([ASKED, "--engine", "steam"], "'steam' is unknown.*native, transformer_lens.*--engine"),
    "engine to come": ([ASKED, "--engine", "nnsight"], "'nnsight' is not there yet.*native, transformer_lens"),
    "unknown word": (["Ava has 3 zebras. How many zebras does Ava have?"], "'zebras'.*things.*Rephrase"),
    "unknown digit": (["Ava has 3² apples. How many apples does Ava have?"], "'²'.*Rephrase"),
    "cold": ([ASKED, "--temperature", "-1"], "temperature -1.0.*0 .greedy. to 10"),
    "no number": ([ASKED, "--temperature", "nan"], "temperature nan.*0 .greedy. to 10"),
    "not a number": ([ASKED, "--temperature", "warm"], "--temperature.*'warm'"),
    "top-p": ([ASKED, "--top-p", "0"], "top_p 0.0.*above 0, at most 1"),
    "top-k": ([ASKED, "--top-k", "-1"], "top_k -1.*0 .all. or more"),
    "seed": ([ASKED, "--seed", "-1"], "seed -1.*whole number from 0"),
    "no tokens": ([ASKED, "--max-tokens", "0"], "max_tokens 0.*at least 1"),
    "unknown policy": ([ASKED, "--policy", "patience"], "'patience' is unknown.*budget:tokens=N.*--policy"),
    "policy without number": ([ASKED, "--policy", "budget:tokens=²"], "is unknown.*budget:tokens=N"),
    "no such direction": (
        [ASKED, "--overclock", "1", "--direction", "none.st"],
        "none.st is no direction file.*Direction.save",
    ),
    "direction alone": ([ASKED, "--direction", "a.safetensors"], "--overclock ALPHA.*give both"),
    "endless push": ([ASKED, "--overclock", "inf"], "alpha inf.*finite"),
    "half a mark": ([ASKED, "--thinking", "<think>"], "--thinking <think> .*OPEN CLOSE, or none"),
    "unknown mark": ([ASKED, "--thinking", "<muse>", "</muse>"], "'<muse>'.*--thinking none"),
    "unknown device": ([ASKED, "--device", "abacus"], "'abacus' is unknown.*auto, cpu, cuda"),
    "unknown dtype": ([ASKED, "--dtype", "int3"], "'int3' is unknown.*auto, float32"),
    "unknown taps": ([ASKED, "--taps", "some"], "--taps.*'some'.*all"),
}


@pytest.mark.parametrize("case", WRONG)
def test_record_refuses(command, tmp_path, case):
    """Exit 2, nothing on stdout, on stderr what was given, what is allowed, what to do; no file, journal or folder."""
    arguments, says = WRONG[case]
    code, out, err = command("record", *arguments, "-o", tmp_path / "new" / "run.safetensors")
    assert (code, out) == (2, "")
    assert found(says, err), err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_record_refuses_a_model_that_lacks_something(command, tmp_path, own_library):
    """Without weights, and without a direction to push along: each says so and what to do, and nothing is written."""
    bare, hollow = tmp_path / "bare", tmp_path / "hollow"
    shutil.copytree(MODEL_FOLDER, bare, ignore=shutil.ignore_patterns("directions"))
    shutil.copytree(bare, hollow, ignore=shutil.ignore_patterns("*.safetensors"))
    code, out, err = command("record", ASKED, "--model", hollow)
    assert (code, out) == (2, "")
    assert found("hollow has a config but no weights.*download", err)
    code, out, err = command("record", ASKED, "--model", bare, "--overclock", 10)
    assert (code, out) == (2, "")
    assert found("bare has no fitted overclock direction.*fit_tpv.*--direction FILE", err)
    assert not own_library.exists()


def test_record_refuses_a_place_where_it_cannot_write(command, tmp_path):
    """Under a file, a folder itself, a name the journal needs, a place that is none: all before the first token."""
    (tmp_path / "file").touch()
    for place, says in (
        (tmp_path / "file" / "run.safetensors", "file is not a folder.*another place with -o"),
        (tmp_path, "it is a folder.*-o"),
        (tmp_path / "run.journal", "journal of its own run.*.safetensors"),
        (tmp_path / ("x" * 300), "too long.*another place with -o"),
        (Path("/dev/null/run.safetensors"), "/dev/null is not a folder.*another place with -o"),
        (Path("/proc/run.safetensors"), "cannot write /proc/run.*another place with -o"),
    ):
        code, out, err = command("record", ASKED, "-o", place)
        assert (code, out) == (2, ""), place
        assert found(says, err), err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_bench_refuses(command, tmp_path):
    """No tokens, no repeats, or a table that cannot be written: said before anything is measured."""
    (tmp_path / "file").touch()
    for arguments, says in (
        (["--tokens", 0], "--tokens 0.*at least 1"),
        (["--repeats", 0], "--repeats 0.*at least 1"),
        (["-o", tmp_path / "file" / "rows.csv"], "file is not a folder.*-o"),
    ):
        code, out, err = command("bench", *arguments)
        assert (code, out) == (2, "")
        assert found(says, err), err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_record_refuses_a_folder_of_somebody_else(command, tmp_path):
    """A folder without write permission."""
    locked = tmp_path / "locked"
    locked.mkdir(0o500)
    code, _, err = command("record", ASKED, "-o", locked / "deep" / "run.safetensors")
    assert code == 2
    assert found("may not write there.*another place with -o", err)


@pytest.mark.parametrize("name", ["replay", "measure"])
def test_files_that_are_no_recordings(command, tmp_path, name):
    """Missing, a folder, text, empty, another's safetensors, half a recording: exit 2 and one line that says which."""
    (tmp_path / "letter.txt").write_text("Dear Ava, how are you?\n" * 9)
    (tmp_path / "empty").touch()
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "theirs.safetensors")
    for file, says in (
        ("nowhere", "no recording at .*does not exist"),
        ("", "cannot read"),
        ("letter.txt", "not a recording, or damaged"),
        ("empty", "is truncated: 0 bytes"),
        ("theirs.safetensors", "not a recording of Thoughtscope"),
    ):
        code, out, err = command(name, tmp_path / file)
        assert (code, out) == (2, "")
        assert found(says, err), err
        assert err.count("\n") == 1


def test_a_truncated_recording(command, saved, tmp_path):
    """The first half of a good file: truncated, by name."""
    half = tmp_path / "half.safetensors"
    half.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    code, _, err = command("measure", half)
    assert code == 2
    assert found(r"half\.safetensors is truncated", err)


def test_replay_with_another_model(command, saved, tmp_path):
    """One weight changed: both fingerprints and --model are named."""
    other = tmp_path / "other"
    shutil.copytree(MODEL_FOLDER, other)
    weights = load_file(other / "model.safetensors")
    name = next(name for name in sorted(weights) if weights[name].ndim == 1)
    weights[name] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    code, out, err = command("replay", saved, "--model", other)
    assert (code, out) == (2, "")
    assert found(r"made by sample .*not by other .*give the model with --model", err)


def test_an_unknown_signal(command, saved):
    """The name given, and the catalogue."""
    code, out, err = command("measure", saved, "mood")
    assert (code, out) == (2, "")
    assert found("no signal 'mood'; the catalogue has .*entropy", err)


def test_a_signal_that_was_not_recorded(command, recorded):
    """What it needs, what the file can give, what to do."""
    path = recorded("--taps", "none", tokens=3)["file"]
    code, _, err = command("measure", path, "trajectory")
    assert code == 2
    assert found("'trajectory' needs the columns.*it can give none; record again", err)
