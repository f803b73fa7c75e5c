# What a newcomer types. Each target sets up what it needs first; `make help` lists them.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
PORT ?= 8000
KILLS ?= 300
# Python takes the empty word for unset: with byte code kept on disk, the many processes of the tests start sooner.
export PYTHONDONTWRITEBYTECODE :=
SIDE_BY_SIDE := -n logical --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup up test test-long test-all smoke pythons drill relays browser check format bench bench-million bench-console crash hosts lock clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(VENV)/.installed ## build .venv from the lock file and install verdicts there
	@:

# The newest first, or PYTHON alone. A shim that cannot run, or a Python without its venv module, is passed over.
$(VENV)/.locked: requirements.lock
	@python=""; \
	for name in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3); do \
	  if "$$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Verdicts needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module, and none was found."; \
	  echo "Install one (on Debian: apt-get install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3.13"; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version). The first time this takes about a minute."; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@[ -n "$$REDIS_URL" ] || said=$$($(BIN)/python -c 'from worker.redis import server_program; server_program()' 2>&1) || \
	  { echo "$$said" | tail -n 1 | sed 's/^.*BadSettings: //'; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: setup ## start web, workers, clock and Redis at http://localhost:8000 (PORT=… changes it)
	@PORT=$(PORT) exec $(BIN)/verdicts up --demo

# Three processes more than cores, or five, each with small servers of its own; -n in ARGS overrules it.
test: setup ## run the tests but for the long ones, on SQLite and embedded PostgreSQL with a real Redis
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not long" $(ARGS)

test-long: setup ## run the long tests: kills, browsers, whole sites, upgrades and moves of a database, all of the console
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m long $(ARGS)

test-all: setup ## run all tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

# In a virtual environment of its own, which is gone afterwards; .venv stays as it is.
smoke: ## install from the lock file on PYTHON=…, import everything, make a database, and live through one week
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	PIP_NO_COMPILE=1 $(MAKE) --no-print-directory setup VENV="$$folder/venv" PYTHON="$(PYTHON)" && \
	"$$folder/venv/bin/python" -m pytest -q -p no:cacheprovider -k "not postgresql" \
	  tests/house/test_fresh_machine.py tests/worker/test_redis.py tests/journeys/test_one_week.py

pythons: ## run all tests on every Python from 3.11 to 3.14 that is found, each with a virtual environment of its own
	@for python in $$(tests/pythons.sh); do \
	  folder=$$(mktemp -d) && \
	  $(MAKE) --no-print-directory test-all VENV="$$folder/venv" PYTHON="$$python"; code=$$?; \
	  rm -rf "$$folder"; [ $$code = 0 ] || exit $$code; \
	done

drill: setup ## run the tests that need another's server: opendkim verifies signatures, SpamAssassin scores letters, Postfix takes a digest for days, Dovecot holds the inbox, caches keep pages
	@$(BIN)/python -m pytest -m outside tests/worker tests/drills $(ARGS)

relays: setup ## send a digest through Debian's Postfix, Exim and OpenSMTPD, and ask its NSD, all downloaded and unpacked (root)
	@$(BIN)/python -m pytest -m outside tests/relays $(ARGS)

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

hosts: setup ## break one of three hosts in nine ways, and see what that does to the others (root; CASES="1 4")
	@$(BIN)/python -m tests.hosts.run $(CASES) $(ARGS)

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock $(ARGS)

clean: ## remove .venv and caches, never var/ (that is your data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
