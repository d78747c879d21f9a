# Each target does its own set-up: a .venv in the checkout, dependencies at tested versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: help setup run test cold check format accuracy choices audit memory peak clean

help:
	@echo "make run       the daemon watches this machine; metrics on http://127.0.0.1:9757/metrics"
	@echo "make test      the whole test suite"
	@echo "make cold      the conformance suite with an empty kernel cache, in six minutes at the most"
	@echo "make check     ruff, mypy --strict, import layers"
	@echo "make accuracy  forecast error against persistence on DATA=folder"
	@echo "make choices   the same for each cell, learner, update and readout"
	@echo "make audit     the gradient audit against the truth, and its cost"
	@echo "make memory    how far each learner and cell remembers (half an hour)"
	@echo "make peak      a step of exact RTRL as a share of the core's peak"
	@echo "make format    let ruff rewrite the code"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "streamrnn needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "this Python cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
	@$(BIN)/streamrnn run

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

cold: setup
	STREAMRNN_CACHE_DIR=$$(mktemp -d) timeout 360 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/test_conformance.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

accuracy: setup
	$(BIN)/python -m benchmarks.accuracy $(DATA)

choices: setup
	$(BIN)/python -m benchmarks.choices $(DATA)

audit: setup
	$(BIN)/python -m benchmarks.audit

memory: setup
	$(BIN)/python -m benchmarks.memory

peak: setup
	$(BIN)/python -m benchmarks.peak

clean:
	rm -rf $(VENV) build dist test-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
