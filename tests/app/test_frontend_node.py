"""The view's pure functions, tested by Node; and the payload of Python, read by the view's own reader."""

import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from thoughtscope.app.traceview import javascript, pack

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node: install Node.js 20 or newer")

READ = """
import { readFileSync } from "node:fs";
import { decodePayload, emptyRun, mergePayload } from "%s";
const { run } = mergePayload(emptyRun(), decodePayload(new Uint8Array(readFileSync(process.argv[1]))));
const list = (array) => Array.from(array.subarray(0, run.count), (value) => (Number.isNaN(value) ? null : value));
const { id, t_ms } = run.columns;
const [entropy, dependence] = run.lanes;
const lanes = { entropy: list(entropy.value), high: list(dependence.high) };
console.log(JSON.stringify({ texts: run.texts, id: list(id), t_ms: list(t_ms), ...lanes }));
"""


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Node with its output, whatever its exit status."""
    return subprocess.run([str(NODE), *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_javascript_unit_tests() -> None:
    """All of tests/frontend passes, and there are more than 20 of them: an empty run would pass too."""
    done = node("--test", "--test-reporter=tap", *map(str, sorted((ROOT / "tests/frontend").glob("*.test.mjs"))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split("# pass ")[1].split()[0]) > 20


def test_python_payload_is_read_by_the_view(runs: ModuleType, tmp_path: Path) -> None:
    """Texts with any character, 64-bit clocks and gaps arrive as they left."""
    texts = ["é", "</script>", " \u2028", "日本", "\n", "𝛼"]
    columns = runs.columns() | {"t_ms": [1.7e12, float("nan"), 1.7e12 + 0.25, 1, 2, 3]}
    path = tmp_path / "payload.bin"
    path.write_bytes(pack(texts, runs.signals(), run="a", columns=columns))
    done = node("--input-type=module", "-e", READ % (ROOT / "app/frontend/payload.js").as_uri(), str(path))
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["texts"] == texts and read["id"] == [100, 101, 102, 103, 104, 105]
    assert read["t_ms"][:3] == [1.7e12, None, 1.7e12 + 0.25]
    assert read["entropy"][4] is None and read["entropy"][1] == 2.0
    assert read["high"] == [2.0, 2.0, 2.0, None, None, None]


@pytest.mark.parametrize("host", ["streamlit", "page"])
def test_the_joined_module_is_valid_javascript(host: str, tmp_path: Path) -> None:
    """What the browser gets parses as one module."""
    path = tmp_path / "joined.mjs"
    path.write_text(javascript(host), encoding="utf-8")
    done = node("--check", str(path))
    assert done.returncode == 0, done.stderr
