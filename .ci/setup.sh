#!/usr/bin/env bash
# Makes .venv and installs everything that Thoughtscope uses, pinned by constraints.txt. Called by the Makefile.
#   PYTHON=python3.12      another interpreter for a new .venv
#   TORCH_ARGS="..."       extra arguments for the PyTorch install, such as the --index-url of another build
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '  %s\n' "$*"; }
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if [ ! -x .venv/bin/python ]; then
    python=""
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if recent "$candidate"; then python=$candidate; break; fi
    done
    if [ -z "$python" ]; then
        say "Thoughtscope needs Python 3.11 or newer; none of '${PYTHON:-python3.11 python3.12 python3.13 python3}' is."
        say "Install one (Debian: apt-get install python3 python3-venv) or name it: make setup PYTHON=/path/to/python3.11"
        exit 1
    fi >&2
    say "Making .venv with $("$python" --version)"
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        say "$python cannot make virtual environments. On Debian: apt-get install python3-venv (or python3.11-venv)" >&2
        exit 1
    fi
fi
recent .venv/bin/python || { say ".venv holds a Python older than 3.11: make clean, then make setup" >&2; exit 1; }

install() { .venv/bin/python -m pip -qq --disable-pip-version-check install --constraint constraints.txt "$@"; }

torch=$(grep '^torch==' constraints.txt)
if [ -n "${TORCH_ARGS:-}" ]; then
    say "PyTorch, with your arguments: $TORCH_ARGS"
    # shellcheck disable=SC2086
    install "$torch" $TORCH_ARGS
elif .venv/bin/python -c "import torch; assert torch.__version__.split('+')[0] == '${torch#torch==}'" 2>/dev/null; then
    say "PyTorch is here"
elif command -v nvidia-smi >/dev/null; then
    say "PyTorch with CUDA: about 3 GB to download, 7 GB on disk"
    install "$torch,!=${torch#torch==}+cpu"
else
    say "PyTorch, CPU build (no NVIDIA GPU here): about 0.2 GB to download, 0.8 GB on disk"
    if ! install "$torch+cpu" 2>/dev/null; then
        if [ "$(uname -s)" = Linux ]; then
            say "Your package index has no CPU build; what it has comes with CUDA: about 3 GB to download, 7 GB on disk."
            say "For the CPU build stop now (Ctrl-C) and name an index that has it (see \"Get Started\" on PyTorch's site):"
            say "    make setup TORCH_ARGS='--index-url ADDRESS'"
        fi
        install "$torch"
    fi
fi

say "Everything else, where it is not here yet: about 0.3 GB to download, 1.2 GB on disk"
install setuptools wheel
install --no-build-isolation --editable ".[all]"
say "Ready."
