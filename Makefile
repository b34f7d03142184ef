# `make help` lists the targets.  PYTHON chooses the interpreter that the environment is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help install dev-tools demo dev test test-slow test-night lint types layers coverage docs check format clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/autoresearch: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 demo")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable .
	@touch $@

.env: | $(BIN)/autoresearch
	@$(BIN)/python -m autoresearch_dagster.core.dagster_home

install: $(BIN)/autoresearch .env ## environment with pinned dependencies, and .env for Dagster

$(VENV)/.dev-tools: pyproject.toml constraints.txt $(BIN)/autoresearch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev
	@touch $@

dev-tools: install $(VENV)/.dev-tools

demo: install ## one research session in minutes: no key, no GPU
	@$(BIN)/autoresearch demo

dev: install ## Dagster and MLflow together
	@$(BIN)/autoresearch dev

format: dev-tools ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: dev-tools ## ruff, typos, dependencies, sizes of files
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/typos && $(BIN)/deptry . --no-ansi \
	  && $(BIN)/python -m docs.scripts.hygiene

types: dev-tools ## pyright
	@$(BIN)/pyright --pythonpath $(BIN)/python

layers: dev-tools ## import-linter
	@$(BIN)/lint-imports

TEST := $(BIN)/python -m pytest -q -m "not slow and not night" --numprocesses auto --dist loadfile

test: dev-tools ## everything that needs no GPU and no key, in at most 10 minutes
	@$(TEST)

coverage: dev-tools ## make test, and it must run all branches of core, evaluation and the ledger
	@$(TEST) --cov --cov-report=term

test-slow: dev-tools ## fixed samples of the long suites, the demo from a fresh clone
	@$(BIN)/python -m pytest -q -m slow --timeout 1800 --numprocesses auto --dist loadfile

test-night: dev-tools ## the long suites at full length
	@AUTORESEARCH_NIGHT=1 $(BIN)/python -m pytest -q -m "slow or night" --timeout 28800

docs: dev-tools ## the documentation as a site, in site/
	@$(BIN)/python -m docs.scripts.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html; for the search: $(BIN)/python -m http.server -d site"

check: lint types layers coverage ## what CI runs first

clean: ## remove the environment and all local state
	@rm -rf $(VENV) .autoresearch .env mlruns/* site .coverage*
