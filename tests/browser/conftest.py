"""The real server with the bundled model, started once for the browser tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from thoughtscope.probes.directions import Direction
from thoughtscope.sample_data import MODEL_FOLDER


@dataclass
class Server:
    """Where it listens, and where it keeps recordings."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`thoughtscope app` in a process of its own, on a free port, with an empty library."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "THOUGHTSCOPE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "thoughtscope.app.cli", "app", "--port", str(port), "--model", str(model(folder))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(call, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        until = time.monotonic() + 60
        while not _answers(f"http://127.0.0.1:{port}/_stcore/health"):
            said = (folder / "log").read_text(errors="replace")
            assert process.poll() is None and time.monotonic() < until, f"the server did not start: {said}"
            time.sleep(0.2)
        yield Server(f"http://127.0.0.1:{port}", folder / "home", process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def model(folder: Path) -> Path:
    """The bundled model, with a random direction to overclock along should it have none of its own."""
    copied = Path(shutil.copytree(MODEL_FOLDER, folder / "model"))
    own = copied / "directions" / "overclock.safetensors"
    if not own.exists():
        weight = np.random.default_rng(0).standard_normal(160) * 0.02
        Direction.bare("overclock", "ln_final.hook_out", weight, {}).save(own)
    return copied


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False
