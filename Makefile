# Everything one does with this checkout. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Where checks that need a data directory leave theirs; never the one that `make run` uses.
SCRATCH := .cache/checks

.PHONY: help run check test test-sqlite test-postgres interop browser fuzz bench openapi fmt requirements clean

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
	$(PYTHON) scripts/check-private-api
	.venv/bin/mkdocs build --quiet --strict
	SEALWRIGHT_HOME=$(SCRATCH) SEALWRIGHT_PUBLIC_URL=https://sealwright.example \
	  $(PYTHON) manage.py check --deploy --fail-level WARNING
	SEALWRIGHT_HOME=$(SCRATCH) $(PYTHON) manage.py makemigrations --check --dry-run
	SEALWRIGHT_HOME=$(SCRATCH) $(PYTHON) manage.py spectacular --fail-on-warn --validate \
	  | diff -u docs/openapi.yaml - # differs? run `make openapi`

test: test-postgres test-sqlite interop browser ## All tests: on PostgreSQL, smoke on SQLite, with real clients

test-postgres: ## Unit, protocol and upgrade tests on a throw-away PostgreSQL
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/unit tests/protocol tests/upgrade \
	  -n auto --dist loadgroup --create-db

# One flow of each protocol, and where SQL, JSON, order or locks differ (ADR 0018). The browser's
# journeys run on SQLite, too.
SMOKE := $(addprefix tests/,upgrade unit/statements unit/jobs unit/audit unit/certificates \
  unit/applications/test_epoch.py unit/authorities/test_ledger.py \
  protocol/acme/test_flow.py protocol/acme/test_finalize.py protocol/api/test_audit.py \
  protocol/api/test_bulk.py protocol/api/test_certificate_requests.py protocol/client)

test-sqlite: ## Smoke tests on SQLite
	@scripts/bootstrap dev
	.venv/bin/pytest $(SMOKE) -n auto --dist loadgroup

interop: ## The running server, judged by programs that nobody here wrote
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/interop

browser: ## The admin in headless Chromium; pictures land in .cache/screenshots
	@scripts/bootstrap dev
	@scripts/install-test-tools
	.venv/bin/pytest tests/browser

# How often each property test runs with inputs of its own.
ROUNDS ?= 10

fuzz: ## Property tests with fresh random inputs, ROUNDS times (a failure prints how to repeat it)
	@scripts/bootstrap dev
	for round in $$(seq $(ROUNDS)); do \
	  .venv/bin/pytest tests/unit tests/protocol -m hypothesis --hypothesis-profile=fuzz -n auto -q; \
	done

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
