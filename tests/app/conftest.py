"""The small run of `runs.py` as a fixture: tests here are not a package, so it is loaded by its path."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """TEXTS, EVENTS, signals(), columns(), recording()."""
    spec = importlib.util.spec_from_file_location("app_test_runs", Path(__file__).with_name("runs.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
