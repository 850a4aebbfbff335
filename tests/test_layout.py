"""The layout rules that no linter knows: one direction of imports, every folder in the wheel, no name taken twice."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {  # an arrow of the house points at what is imported
    "kernels": set(),
    "probes": {"kernels"},
    "sample_data": {"kernels", "probes"},
    "analysis": {"kernels", "probes"},
    "app": {"kernels", "probes", "analysis", "sample_data"},
}
MAY_USE = {  # heavy third parties, and the only places that may import them at all
    "torch": ("probes", "kernels/gpu", "sample_data/recipe"),
    "transformers": ("probes", "sample_data/recipe", "sample_data/vocabulary.py"),  # it makes the tokenizer
    "transformer_lens": ("probes/engines",),
    "nnsight": ("probes/engines",),
    "triton": ("kernels/gpu",),
    "streamlit": ("app/dashboard", "app/cli.py", "app/traceview.py"),
    "plotly": ("app",),
    "matplotlib": ("app",),
}
FILES = sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Absolute module paths of every import in a file, those inside functions too, relative ones resolved."""
    here = ("thoughtscope", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            yield from ((*base, *(node.module or "").split("."), alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    """kernels <- probes <- analysis <- app, relative inside the folders, heavy libraries only where they belong."""
    place = path.relative_to(ROOT)
    for module in imported(path):
        top, folder = module[0], next(filter(None, module[1:]), "")
        assert top not in MAY_IMPORT, f"{place}: `{top}` is a second copy of thoughtscope.{top}; use a relative import"
        if top == "thoughtscope":
            recipe = {"analysis"} if place.parts[:2] == ("sample_data", "recipe") else set()  # nothing imports recipes
            assert folder in {place.parts[0], *MAY_IMPORT[place.parts[0]], *recipe}, f"{place} may not import {folder}"
        if top in MAY_USE:
            assert str(place).startswith(MAY_USE[top]), f"{place} may not import {top}; only {MAY_USE[top]} may"


def test_every_folder_is_packaged() -> None:
    """A folder that is missing in pyproject.toml works here and is absent from the wheel, silently."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    on_disk = {"thoughtscope." + ".".join(path.parent.relative_to(ROOT).parts) for path in FILES}
    assert sorted(on_disk) == sorted(listed)


def test_no_name_shadows_another() -> None:
    """transformers looks up `kernels`, and `streamlit run` puts app/dashboard first on sys.path."""
    assert not (ROOT / "kernels" / "__init__.py").exists()
    assert not {path.stem for path in (ROOT / "app" / "dashboard").iterdir()} & sys.stdlib_module_names
    assert not list((ROOT / "tests").rglob("__init__.py"))
    assert {path.name for path in (ROOT / ".ci" / "typing" / "thoughtscope").iterdir()} == set(MAY_IMPORT)
