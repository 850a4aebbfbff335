"""What tests of the front ends share: the small run of `runs.py`, and the command line on the bundled model.

Tests are not a package, so `runs.py` is loaded by its path. Commands run in this process and read the model once.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

ASKED = "Ava has 3 apples. Tom has 2 more apples than Ava. How many apples does Tom have?"


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """TEXTS, EVENTS, signals(), columns(), recording()."""
    spec = importlib.util.spec_from_file_location("app_test_runs", Path(__file__).with_name("runs.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model_read_once():
    """`load` gives the same bundled model every time; anything else it is asked for it reads as always."""
    from thoughtscope.probes import models

    read, kept = models.load, {}

    def load(ref="sample", **settings):
        if str(ref) != "sample":
            return read(ref, **settings)
        key = repr(sorted(settings.items()))
        if key not in kept:
            kept[key] = read(ref, **settings)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load", load)
        yield


@pytest.fixture
def own_library(tmp_path, monkeypatch):
    """An empty library folder of this test's own, which does not exist yet."""
    monkeypatch.setenv("THOUGHTSCOPE_HOME", str(tmp_path / "library"))
    return tmp_path / "library"


@pytest.fixture
def command(capsys, model_read_once, own_library):
    """Function `(*arguments) -> (exit code, stdout, stderr)` of one command."""

    def run(*arguments):
        from thoughtscope.app.cli import main

        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:  # argparse leaves by itself
            code = left.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def recorded(command):
    """Function `(*arguments) -> object` printed by `record --json`, on a typed problem, 24 tokens long."""

    def run(*arguments, asked=(ASKED,), tokens=24):
        code, out, err = command("record", *asked, "--max-tokens", tokens, "--json", *arguments)
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


@pytest.fixture(scope="module")
def saved(tmp_path_factory, model_read_once):
    """A recording of a bundled problem, with every signal, 60 tokens long."""
    from thoughtscope.app.cli import main

    path = tmp_path_factory.mktemp("saved") / "run.safetensors"
    assert main(["record", "--problem", "dev-0", "--max-tokens", "60", "-o", str(path), "--json"]) == 0
    return path
