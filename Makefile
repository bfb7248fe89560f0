# Development tasks. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# PYTHON is left to the caller: scripts/bootstrap makes .venv with the interpreter that it names.
RUN := .venv/bin/python
# Data directory of the checks, separate from the one of `make run`.
SCRATCH := .cache/checks

.PHONY: help run check test test-sqlite test-postgres interop browser fuzz bench openapi fmt requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install what is missing, set up, and serve until Ctrl-C
	@scripts/bootstrap
	@exec $(RUN) manage.py up

check: ## Check style, types, layers, documents, settings and migrations
	@scripts/bootstrap dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(RUN) scripts/check-private-api
	.venv/bin/mkdocs build --quiet --strict
	SEALWRIGHT_HOME=$(SCRATCH) SEALWRIGHT_PUBLIC_URL=https://sealwright.example \
	  $(RUN) manage.py check --deploy --fail-level WARNING
	SEALWRIGHT_HOME=$(SCRATCH) $(RUN) manage.py makemigrations --check --dry-run
	SEALWRIGHT_HOME=$(SCRATCH) $(RUN) manage.py spectacular --fail-on-warn --validate \
	  | diff -u docs/openapi.yaml - # differs? run `make openapi`

test: test-postgres test-sqlite interop browser ## Run all tests

test-postgres: ## Run unit, protocol and upgrade tests on a temporary PostgreSQL
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/unit tests/protocol tests/upgrade \
	  -n auto --dist loadgroup --create-db

# One flow of each protocol, and where SQL, JSON, order or locks differ (ADR 0018). The browser's
# journeys run on SQLite, too.
SMOKE := $(addprefix tests/,upgrade unit/statements unit/jobs unit/audit unit/certificates \
  unit/applications/test_governance_version.py unit/authorities/test_ledger.py \
  protocol/acme/test_flow.py protocol/acme/test_finalize.py protocol/api/test_audit.py \
  protocol/api/test_bulk.py protocol/api/test_certificate_requests.py protocol/client)

test-sqlite: ## Run smoke tests on SQLite
	@scripts/bootstrap dev
	.venv/bin/pytest $(SMOKE) -n auto --dist loadgroup

interop: ## Test the running server with independent clients and validators
	@scripts/bootstrap dev
	@scripts/install-test-tools
	scripts/with-postgres .venv/bin/pytest tests/interop

browser: ## Test the admin in headless Chromium; screenshots are in .cache/screenshots
	@scripts/bootstrap dev
	@scripts/install-test-tools
	.venv/bin/pytest tests/browser

# How often each property test runs with inputs of its own.
ROUNDS ?= 10

fuzz: ## Run property tests with new random inputs, ROUNDS times
	@scripts/bootstrap dev
	for round in $$(seq $(ROUNDS)); do \
	  .venv/bin/pytest tests/unit tests/protocol -m hypothesis --hypothesis-profile=fuzz -n auto -q; \
	done

bench: ## Measure speed (on an otherwise idle machine)
	@scripts/bootstrap dev
	$(RUN) -m bench

openapi: ## Update docs/openapi.yaml
	@scripts/bootstrap dev
	SEALWRIGHT_HOME=$(SCRATCH) $(RUN) manage.py spectacular --fail-on-warn --validate \
	  --file docs/openapi.yaml

fmt: ## Format the code
	@scripts/bootstrap dev
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

requirements: ## Pin the newest allowed versions with hashes (needs uv)
	for set in base dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-header requirements/$$set.in -o requirements/$$set.txt; \
	done

clean: ## Remove caches and collected files, but not var/ and .venv
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache staticfiles
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
