# `make demo` runs the main job, `make test` passes all tests; each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-streamlit-oldest
PEERS := .venv-peers
ARGS ?=
# The same order each time; ORDER= shuffles the tests, to find those that lean on each other.
ORDER ?= -p no:randomly
# The machine's own trust store, as pip uses it: a mirror may have a certificate of its own.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

.PHONY: help demo test check interop bench docs fuzz mutants screenshots lock format clean setup browser servers

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
	$(BIN)/uv pip compile pyproject.toml --extra demo --extra testing --extra postgres --extra redis --extra pkcs11 --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml requirements/streamlit-oldest.in --extra demo --extra testing --extra postgres --extra redis --extra pkcs11 --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/streamlit-oldest.txt
	$(BIN)/uv pip compile pyproject.toml requirements/peers.in --extra fastapi --extra server --extra postgres --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/peers.txt
	$(BIN)/uv pip compile pyproject.toml requirements/fuzz.in --extra fastapi --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal -q -o requirements/fuzz.txt

format: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(STAMP)  ## Lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/basedpyright

demo: $(STAMP)   ## Provider, API and Streamlit app with two users, offline (ARGS='--no-browser')
	@$(BIN)/proofkey demo $(ARGS)

test: $(STAMP) browser servers $(OLDEST)/.installed  ## All tests, in a real browser too; the Streamlit face on its oldest release as well
	$(BIN)/pytest -n 2 --dist loadfile $(ORDER) $(ARGS)
	$(OLDEST)/bin/pytest tests/streamlit -n 2 --dist loadfile $(ORDER)

browser:         # Debian's Chromium, unless CHROMIUM names another
	@if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then echo "Installing Chromium"; \
	  for try in 1 2 3; do apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null && break; sleep 5; done; \
	  test -x /usr/bin/chromium; \
	else echo "The browser tests need Chromium: install it, or set CHROMIUM=/path/to/it"; exit 2; fi

servers:         # Debian's PostgreSQL, Redis, nginx, SoftHSM; the tests start their own, the services stay off
	@bash tests/servers.sh

$(OLDEST)/.installed: requirements/streamlit-oldest.txt $(STAMP)
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(BIN)/uv pip install -q --python $(OLDEST)/bin/python --require-hashes -r requirements/streamlit-oldest.txt
	$(BIN)/uv pip install -q --python $(OLDEST)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

interop: $(STAMP) ## Certified peers from npm and a real Keycloak against our parts
	@bash tests/interop/run.sh

bench: $(PEERS)/.installed servers ## Speed as ratios, measured in one run, beside other packages
	$(PEERS)/bin/python -W ignore -m benchmarks $(ARGS)

$(PEERS)/.installed: requirements/peers.txt $(STAMP)
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(BIN)/uv pip install -q --python $(PEERS)/bin/python --require-hashes -r requirements/peers.txt
	$(BIN)/uv pip install -q --python $(PEERS)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

FUZZ_SECONDS ?= 30
fuzz: $(STAMP)   ## Look for inputs that make a parser fall over (FUZZ_SECONDS for each target, ARGS=json)
	FUZZ_EXAMPLES=1000 $(BIN)/pytest tests/protocol/test_differential.py tests/protocol/test_differential_proofs.py -n 2 --timeout=900 $(ORDER)
	@test -x .venv-fuzz/bin/python || $(PYTHON) -m venv .venv-fuzz
	@if $(BIN)/uv pip install -q --python .venv-fuzz/bin/python --require-hashes -r requirements/fuzz.txt && $(BIN)/uv pip install -q --python .venv-fuzz/bin/python --no-deps --no-build-isolation -e .; \
	then .venv-fuzz/bin/python -m tests.fuzz $(FUZZ_SECONDS) $(ARGS); else echo "fuzz: atheris does not install here, a short run without it"; $(BIN)/python -m tests.fuzz; fi

mutants: $(STAMP) ## Take rules out, one by one, and see which test notices (ARGS='raises protocol' for every refusal)
	$(BIN)/python -m tests.mutation $(or $(ARGS),rows)

docs: $(STAMP)   ## The pages that are made from the source
	$(BIN)/python -m docs.generate

screenshots: $(STAMP) browser ## The pictures of docs/screenshots.md, from a running demo
	$(BIN)/python -m docs.screenshots $(ARGS)

clean:           ## Remove what the targets above made
	rm -rf $(VENV) $(OLDEST) $(PEERS) .venv-fuzz .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist tests/interop/node_modules benchmarks/node_modules tests/interop/.keycloak
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
