# Every target first does what it needs of `make setup`. The versions are in constraints.txt, for people and CI alike.
#   make setup PYTHON=python3.12             another interpreter for a new .venv
#   make setup TORCH_ARGS='--index-url ...'  another build of PyTorch

.PHONY: help setup app test test-all check bench clean
.DEFAULT_GOAL := help

ready  := .venv/ready
python := .venv/bin/python
export PYTHON TORCH_ARGS

# Small tensors: threads that spin while they wait cost more than they bring.
quiet_threads := OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE
browser = CHROMIUM="$$(.ci/chromium.sh)"

ifneq ($(TORCH_ARGS),)
.PHONY: $(ready)
endif

help:
	@echo "make setup     .venv with everything, pinned"
	@echo "make app       the dashboard, at http://127.0.0.1:8501"
	@echo "make test      tests, without the slow ones"
	@echo "make test-all  all tests"
	@echo "make check     ruff, formatting, pyright"
	@echo "make bench     what watching costs, measured here"
	@echo "make clean     removes .venv and everything built"

$(ready): pyproject.toml constraints.txt .ci/setup.sh
	@.ci/setup.sh
	@touch $@

setup: $(ready)

app: $(ready)
	.venv/bin/thoughtscope app

test: $(ready)
	$(browser) $(quiet_threads) $(python) -m pytest -m "not slow" $(ARGS)

test-all: $(ready)
	$(browser) $(quiet_threads) $(python) -m pytest $(ARGS)

check: $(ready)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m pyright

bench: $(ready)
	.venv/bin/thoughtscope bench

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
