# Two commands serve a fresh machine: `make run` and `make test`. The rest is for daily work.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
SANDBOX_PORT ?= 8001
export PORT SANDBOX_PORT
# Compiled modules are kept even where the machine says otherwise: a test run starts hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
# The authorisation server of the tests; without Node.js they are skipped, and say so.
OIDC := tests/oauth
NPM := $(shell command -v npm)

.DEFAULT_GOAL := help
.PHONY: help install run test two-way test-fast test-contracts coverage accessibility lint format types layers migrations deploy-check node-packages bench-intake bench-sync bench-dedupe bench-find-duplicates bench-reconcile bench-admin simulate lock clean

help:  ## Show the targets.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/run.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 12) and f"Keepsync needs Python 3.12 or newer; $(PYTHON) is {v[0]}.{v[1]}. Run: make PYTHON=python3.13 ...")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/run.stamp  ## Make .venv with the locked dependencies.

run: $(VENV)/run.stamp  ## Start web, worker and sandbox, with demo data (EMPTY=1: without). Ctrl-C stops all.
	@$(PY) manage.py run $(if $(EMPTY),--empty)

CONTRACTS := tests/integrations/providers tests/integrations/sandbox

# The checks run two at a time: mypy takes as long as all the others.
# One test of those that start processes keeps a core busy, with all its processes.
test: $(VENV)/dev.stamp  ## Run every check and every test.
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint types layers migrations deploy-check node-packages
	$(PY) -m pytest -q -n 2 -m "not slow and not browser"
	$(PY) -m pytest -q -n 2 --dist worksteal -m "slow or browser"

test-fast: $(VENV)/dev.stamp  ## Run what serves while you work: not the slow ones, nor the adapters' and the sandbox's.
	$(PY) -m pytest -q -n 2 -m "not slow and not browser" $(CONTRACTS:%=--ignore=%)

test-contracts: $(VENV)/dev.stamp  ## Hold the adapters and the sandbox to the providers' specifications.
	$(PY) -m pytest -q -n 2 -m "not slow" $(CONTRACTS)

# What is measured takes twice as long, and what runs in processes of its own is not seen.
coverage: $(VENV)/dev.stamp  ## Say which lines and branches the fast tests leave out.
	$(PY) -m pytest -q -n 2 -m "not slow and not browser" --cov --cov-report=term:skip-covered

accessibility: $(VENV)/dev.stamp node-packages  ## Look through every kind of page of the admin with axe-core (minutes).
	CRAWL=1 $(PY) -m pytest -q tests/browser/test_accessibility.py

lint: $(VENV)/dev.stamp  ## ruff: lint and format.
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(VENV)/dev.stamp  ## Rewrite the code in ruff's format.
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(VENV)/dev.stamp  ## mypy with django-stubs.
	$(PY) -m mypy config integrations contacts bookings tests manage.py

layers: $(VENV)/dev.stamp  ## import-linter: imports point one way.
	$(VENV)/bin/lint-imports

migrations: $(VENV)/dev.stamp  ## Fail where a model changed without a migration.
	$(PY) manage.py makemigrations --check --dry-run

deploy-check: $(VENV)/dev.stamp  ## Django's deployment checks, with production settings.
	DEBUG=0 SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))') \
	FIELD_ENCRYPTION_KEYS=$$($(PY) manage.py generate_key) BLIND_INDEX_KEY=$$($(PY) manage.py generate_key) \
	DATABASE_URL=postgresql:///keepsync BASE_URL=https://keepsync.example ALLOWED_HOSTS=keepsync.example EMAIL_URL=smtp+tls://mail.example \
	$(PY) manage.py check --deploy --fail-level WARNING

$(OIDC)/node_modules/stamp: $(OIDC)/package-lock.json
	cd $(OIDC) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

node-packages: $(if $(NPM),$(OIDC)/node_modules/stamp)  ## The tests' authorisation server and axe-core (needs Node.js 20).

bench-intake: $(VENV)/dev.stamp  ## Measure the webhook's intake against a bare WSGI function.
	$(PY) -m tests.benchmarks.intake

bench-sync: $(VENV)/dev.stamp  ## Measure the way from a webhook to the CRM, and the recovery from its outage (six minutes).
	$(PY) -m tests.benchmarks.sync

bench-dedupe: $(VENV)/dev.stamp  ## Measure match_csv beside splink and rapidfuzz, up to 1,000,000 contacts.
	$(PY) -m tests.benchmarks.dedupe

bench-find-duplicates: $(VENV)/dev.stamp  ## Measure find_duplicates over 1,000,000 contacts, while webhooks come in.
	$(PY) -m tests.benchmarks.find_duplicates

bench-reconcile: $(VENV)/dev.stamp  ## Measure the reconciliation of 100,000 events with 100,000 records.
	$(PY) -m tests.benchmarks.reconcile

bench-admin: $(VENV)/dev.stamp  ## Measure every page of the admin over 1,000,000 deliveries, 3,000,000 effects, 200,000 contacts.
	$(PY) -m tests.benchmarks.admin

simulate: $(VENV)/dev.stamp  ## Book at 20 calendars 10,000 times, 64 at once, while processes die and webhooks get lost.
	SIMULATE_TRIES=$${SIMULATE_TRIES:-10000} $(PY) -m pytest -q -s tests/simulation

two-way: $(VENV)/dev.stamp  ## Let both sides edit a meeting at random, 5,000 steps in all three patterns.
	TWO_WAY_STEPS=30 TWO_WAY_RUNS=56 $(PY) -m pytest -q tests/bookings/test_two_way_laws.py

lock: $(VENV)/dev.stamp  ## Compile the lock files from pyproject.toml (needs uv).
	uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock

clean:  ## Remove .venv, caches and the embedded database with all its data.
	rm -rf $(VENV) $(OIDC)/node_modules .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov
