#!/usr/bin/env bash
# Builds the wheel, installs it into a clean environment, far from the source, and makes a recording with it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pip() { "$work/venv/bin/python" -m pip -qq --disable-pip-version-check "$@"; }

echo "The wheel:"
rm -rf build    # setuptools would pack what an earlier build left there
.venv/bin/python -m pip -qq wheel . --no-deps --no-build-isolation --wheel-dir "$work"
rm -rf build ./*.egg-info
wheel=$(echo "$work"/*.whl)
echo "  $(basename "$wheel"), $(du -h "$wheel" | cut -f1)"
.venv/bin/python -m venv "$work/venv"
cd "$work"

echo "  the base opens and draws without torch"
pip install --constraint "$root/constraints.txt" "$wheel"
venv/bin/python -c "import thoughtscope.analysis, thoughtscope.app.figures, thoughtscope.probes.recording"

echo "  with [models] it records"
torch=$("$root/.venv/bin/python" -c 'from importlib.metadata import version; print(version("torch"))')
# shellcheck disable=SC2086
pip install "torch==$torch" ${TORCH_ARGS:-}    # the build that `make setup` chose
pip install --constraint "$root/constraints.txt" "$wheel[models]"
OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE venv/bin/thoughtscope record --problem dev-0 --max-tokens 40 -o x.safetensors
venv/bin/python -c "
from thoughtscope.probes.recording import Recording
run = Recording.load('x.safetensors')
assert 1 <= run.n_tokens <= 40, run.n_tokens
print('  recorded', run.n_tokens, 'tokens')"
