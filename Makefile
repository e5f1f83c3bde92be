# Everything a person needs, from a clean checkout with Python 3.11+ and make.   `make help` lists it.
#
#   make run ARGS="--port 9000"     make test     make test-clients     make test-cluster     make bench ARGS="..."     make lock
#
# One environment, .venv, holds both locks; a stamp in it remembers which lock was installed, by content.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

DATA ?= ./goodword-data
ARGS ?=
BIN  := .venv/bin
# Processes that tests start by the hundred would compile the package anew each time where this is set.
export PYTHONDONTWRITEBYTECODE :=
# How many tests run at once.
JOBS ?= $(shell nproc)
# What is linted and typed besides the package, as far as it is there.
EXTRA := $(wildcard tests bench tools)

say = printf '\033[1m==> %s\033[0m\n' "$(1)"

.PHONY: help run demo test test-core test-browser test-clients test-cluster bench lint types fmt lock lock-upgrade clean venv-run venv-dev

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: venv-run ## the server on its embedded database, with a demo key, empty     (ARGS="--port 9000", DATA=DIR)
	@exec $(BIN)/goodword serve --data $(DATA) --demo $(ARGS)

demo: venv-run ## a living referral program to look at: a small made-up world in its own folder   (ARGS="--port 9000")
	@exec $(BIN)/goodword simulate --demo $(ARGS)

test: lint types test-core test-browser test-clients test-cluster ## everything: lint, types, tests, stock SDKs, a cluster

test-core: venv-dev ## the tests but those of the next three, and full branch coverage of the core   (ARGS="...")
	@$(call say,tests)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope $(addprefix --ignore=tests/,clients cluster console hosted) --cov --cov-report=term --cov-fail-under=100 $(ARGS)

test-browser: venv-dev ## the console and the hosted pages in a browser   (needs node, npm, chromium)
	@$(call say,tests in a browser)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope tests/console tests/hosted $(ARGS)

test-clients: venv-dev ## the stock Segment and RudderStack SDKs against a running server   (needs node, npm, chromium)
	@$(call say,tests with stock SDKs)
	@$(BIN)/python -m pytest -q tests/clients $(ARGS)

test-cluster: venv-dev ## three machines with PostgreSQL, Patroni and etcd on loopback: the one that writes dies   (ARGS="-s")
	@$(call say,tests with a cluster)
	@$(BIN)/python -m pytest -q tests/cluster $(ARGS)

bench: venv-dev ## what it costs on this machine                             (ARGS="--help")
	@$(BIN)/python -m bench $(ARGS)

lint: venv-dev ## ruff and the import contracts
	@$(call say,lint)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted (make fmt does it):"; $(BIN)/ruff format --check --output-format concise . | head -30; exit 1; }
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$out"; exit 1; }

types: venv-dev ## mypy, strict for the package
	@$(call say,types)
	@$(BIN)/mypy --no-error-summary goodword $(EXTRA)

fmt: venv-dev ## format, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

lock: ## write requirements/*.txt anew after a change of pyproject.toml
	@$(call say,lock) && $(find_python) && "$$py" tools/lock.py

lock-upgrade: ## the same, with the newest versions
	@$(call say,lock) && $(find_python) && "$$py" tools/lock.py --upgrade

clean: ## remove the environment and caches; data is left alone
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .schemathesis htmlcov .coverage build dist
	@find . -name __pycache__ -type d -not -path '*/node_modules/*' -prune -exec rm -rf {} +

venv-run:
	@$(call install,run)

venv-dev:
	@$(call install,dev)

# A python counts when it runs (a version manager's shim may not) and is new enough.
define find_python
{ py=; bare=; \
  for name in $${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do \
    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
    if "$$name" -c 'import venv, ensurepip' >/dev/null 2>&1; then py=$$name; break; fi; \
    bare=$${bare:-$$name}; \
  done; \
  if [ -z "$$py" ] && [ -n "$$bare" ]; then \
    version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
    echo "$$bare has no venv module. On Debian and Ubuntu:  apt-get install python$$version-venv" >&2; exit 1; \
  fi; \
  if [ -z "$$py" ]; then \
    echo "Goodword needs Python 3.11 or newer, and none was found (PYTHON=/path/to/python names one)." >&2; \
    echo "On Debian and Ubuntu:  apt-get install python3 python3-venv" >&2; exit 1; \
  fi; }
endef

# $(1) is run or dev. The stamp is what was installed: the lock, the project's own description, the place and the interpreter.
define install
want=$$(cat requirements/$(1).txt pyproject.toml <(pwd -P) | cksum); stamp=.venv/installed-$(1); \
if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
  $(find_python); \
  $(call say,environment: .venv with $$("$$py" -V)); rm -rf .venv; "$$py" -m venv .venv; \
fi; \
if [ "$$(cat $$stamp 2>/dev/null)" != "$$want" ]; then \
  $(call say,installing the locked dependencies (requirements/$(1).txt)); \
  export PIP_DISABLE_PIP_VERSION_CHECK=1; \
  $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/$(1).txt; \
  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
  echo "$$want" > $$stamp; \
fi
endef
