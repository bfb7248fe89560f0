# Everything one does with this checkout. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Where checks that need a data directory leave theirs; never the one that `make run` uses.
SCRATCH := .cache/checks

.PHONY: help run check test test-sqlite test-postgres interop browser bench openapi fmt requirements clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install what is missing, set up, and serve until Ctrl-C
	@scripts/bootstrap
	@exec $(PYTHON) manage.py up

check: ## Style, types, layers, documents, settings, migrations
	@scripts/bootstrap dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/mkdocs build --quiet --strict
	SEALWRIGHT_HOME=$(SCRATCH) SEALWRIGHT_PUBLIC_URL=https://sealwright.example \
	  $(PYTHON) manage.py check --deploy --fail-level WARNING
	SEALWRIGHT_HOME=$(SCRATCH) $(PYTHON) manage.py makemigrations --check --dry-run
	SEALWRIGHT_HOME=$(SCRATCH) $(PYTHON) manage.py spectacular --fail-on-warn --validate \
	  | diff -u docs/openapi.yaml - # differs? run `make openapi`

test: test-sqlite test-postgres interop browser ## All tests: on SQLite, on PostgreSQL, with real clients

test-sqlite: ## Unit and protocol tests on SQLite
	@scripts/bootstrap dev
	.venv/bin/pytest tests/unit tests/protocol -n auto

# What never touches a database, or asks nothing of it that SQLite does not answer alike.
NOT_ON_POSTGRES := $(addprefix --ignore=tests/,unit/pki unit/egress protocol/wall \
  protocol/api/test_schemathesis.py)

test-postgres: ## Those that a database can change, on a throw-away PostgreSQL, with the race tests
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/unit tests/protocol tests/upgrade $(NOT_ON_POSTGRES) -n auto --dist loadgroup --create-db

interop: ## The running server, judged by programs that nobody here wrote
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/interop

browser: ## The admin in headless Chromium; pictures land in .cache/screenshots
	@scripts/bootstrap dev
	@scripts/install-test-tools
	.venv/bin/pytest tests/browser

bench: ## Measure speed (needs a quiet machine)
	@scripts/bootstrap dev
	$(PYTHON) -m bench

openapi: ## Describe the API anew in docs/openapi.yaml
	@scripts/bootstrap dev
	SEALWRIGHT_HOME=$(SCRATCH) $(PYTHON) manage.py spectacular --fail-on-warn --validate \
	  --file docs/openapi.yaml

fmt: ## Put the code into its standard form
	@scripts/bootstrap dev
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

requirements: ## Pin the newest allowed versions, with hashes (needs uv)
	for set in base dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-header requirements/$$set.in -o requirements/$$set.txt; \
	done

clean: ## Remove caches and collected files; data in var/ and .venv stay
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache staticfiles
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
