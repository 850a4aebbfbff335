"""Importing is free: opening, measuring and drawing a recording loads no model library and no web server."""

import importlib.util
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "transformer_lens", "nnsight", "streamlit", "matplotlib", "playwright")
LIGHT = (
    "thoughtscope.kernels.entropy",
    "thoughtscope.probes.recording",
    "thoughtscope.analysis",
    "thoughtscope.app.figures",
    "thoughtscope.app.traceview",
    "thoughtscope.app.cli",
)


def loaded_by(module: str) -> set[str]:
    """The heavy libraries in sys.modules of a new interpreter that has imported one module."""
    code = f"import sys, {module}; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """None of the heavy libraries: a recording opens in an environment that has no torch."""
    assert loaded_by(module) == set()


def test_the_probe_sees_a_heavy_import() -> None:
    """The same probe on torch itself reports torch, so an empty set above means something."""
    assert "torch" in loaded_by("torch")


def test_importing_leaves_plotly_templates_alone() -> None:
    """Plotly's global default stays "plotly": importing streamlit anywhere on the way would make it "streamlit"."""
    code = "import plotly.io, thoughtscope.app.figures; print(plotly.io.templates.default)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "plotly"


def test_the_namespace_has_no_file() -> None:
    """`thoughtscope` is a namespace without a file of its own, so that no root __init__.py is ever executed."""
    spec = importlib.util.find_spec("thoughtscope")
    assert spec is not None
    assert spec.origin is None
