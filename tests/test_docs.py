"""Pages that are made from code are up to date, and the README's Python runs."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_format_page_is_made_of_the_schema():
    """`docs/recording-format.md` is what `docs/format.py` makes today."""
    spec = importlib.util.spec_from_file_location("format_page", ROOT / "docs" / "format.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.TARGET.read_text() == page.text()


def test_the_readme_s_python_runs(tmp_path, monkeypatch):
    """Every Python block of the README, one after the other, as it stands; the figure has a strip for each signal."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - that it runs is the test
    assert (tmp_path / "ava.safetensors").exists()
    assert len(names["figure"].data) >= len(names["signals"]) >= 4


def test_the_readme_names_only_what_exists():
    """Every file that the README links to is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
