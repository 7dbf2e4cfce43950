# `make demo` runs the main job, `make test` passes all tests; each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-streamlit-oldest
ARGS ?=

.PHONY: help demo test check interop bench lock format clean setup browser

help:            ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

setup: $(STAMP)  ## The environment, from hashed requirements

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3.12)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

lock: $(STAMP)   ## Resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --extra demo --extra testing --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml requirements/streamlit-oldest.in --extra demo --extra testing --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/streamlit-oldest.txt

format: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(STAMP)  ## Lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/basedpyright
