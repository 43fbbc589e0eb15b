# `make demo` shows the registry at work; `make test` runs all checks. Both set up what they need, in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ORACLE ?= .venv-mlem

.DEFAULT_GOAL := help
.PHONY: help demo example test coverage test-thorough test-slow bench bench-load clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Show it at work: link, register, assign, load over HTTP, promote, roll back, refuse
	@$(BIN)/python examples/demo/demo.py

example: $(READY) $(VENV)/.example ## A DVC pipeline with MLflow, under governance: pull request, evaluation, promotion, rollback
	@$(BIN)/python examples/governed/governed.py

test: $(READY) $(ORACLE)/.ready ## Lint, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	REGISTRY_MLEM_PYTHON=$$($(ORACLE)/bin/python -c 'import mlem, sys; print(sys.executable)' 2>/dev/null || true) \
	  $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(MEASURE)

coverage: MEASURE := --cov --cov-report=term
coverage: test ## The same, slower, with what it covers and the least it must

test-thorough: $(READY) $(ORACLE)/.ready ## What `test` leaves out to be fast: demo, every fault, more examples of each property
	HYPOTHESIS_PROFILE=ci \
	REGISTRY_MLEM_PYTHON=$$($(ORACLE)/bin/python -c 'import mlem, sys; print(sys.executable)' 2>/dev/null || true) \
	  $(BIN)/python -m pytest -n auto -m '(thorough or hypothesis) and not slow'

test-slow: $(READY) $(ORACLE)/.frameworks ## Tests that need minutes, or the large frameworks
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,slow]'
	REGISTRY_MLEM_PYTHON=$$($(ORACLE)/bin/python -c 'import mlem, sys; print(sys.executable)' 2>/dev/null || true) \
	  $(BIN)/python -m pytest -m slow

bench: $(READY) ## Measure the speed against gto and plain git
	$(BIN)/python benchmarks/run.py

bench-load: $(READY) ## Measure the loader against MLflow, MLEM and curl, as far as they are installed
	$(BIN)/python benchmarks/load.py

clean: ## Remove what the other targets made
	rm -rf -- .venv .venv-mlem demo-output example-output .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* benchmarks/results

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Python 3.10 or newer is needed: install it, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@git --version >/dev/null || { echo 'git is needed: install it' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'Python cannot make virtual environments: install its package for them (Debian, Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	@echo 'Setting up $(VENV), once: a minute or two.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.example: $(READY)
	@echo 'Adding DVC and MLflow to $(VENV), once.'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[example]'
	@touch $@

# Real MLEM, whose packages exclude ours, in an environment of its own; where it cannot be had its tests say so and are skipped.
$(ORACLE)/.ready: tests/mlem-pins.txt
	@echo 'Setting up $(ORACLE), once: real MLEM as an oracle.'
	@$(PYTHON) -m venv $(ORACLE)
	@$(ORACLE)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/mlem-pins.txt || \
	  echo 'MLEM cannot be installed here: the tests against it are skipped' >&2
	@touch $@

$(ORACLE)/.frameworks: $(ORACLE)/.ready tests/mlem-frameworks.txt
	@$(ORACLE)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/mlem-frameworks.txt || \
	  echo 'The frameworks cannot be had here: their tests against MLEM are skipped' >&2
	@touch $@
