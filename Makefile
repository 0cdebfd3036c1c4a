# Five verbs. Everything runs from the repository root with Python 3.11+, make and git only.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# dbt and Dagster must never phone home, and dbt's progress bars must not fill a CI log.
export DAGSTER_DISABLE_TELEMETRY := yes
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

# ---- which shop the demo runs on -------------------------------------------------------------
# SOURCE=sample (seeds/raw), SOURCE=shopify_csv (the same shop as Shopify exports it, seeds/shopify) or
# SOURCE=complete_journey (a year of real grocery baskets, from its package).
SOURCE ?= sample

.PHONY: help demo test dev lint definitions bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] < (3, 14)))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing the locked environment into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $(STAMP)

# ---- the daily job on a shop ------------------------------------------------------------------
ifeq ($(SOURCE),complete_journey)
DEMO_HOME := .data/complete_journey
NEXT_DAY := 2018-01-01
# The day after which that year has nothing more to say, in the zone its figures are true in.
demo dev: export SEGMENTS_AS_OF ?= 2017-12-31
demo dev: export SHOP_TIMEZONE := America/New_York
demo dev: export SEGMENTS_SOURCE := $(DEMO_HOME)/source
demo dev: export SEGMENTS_HOME ?= $(DEMO_HOME)
else ifeq ($(SOURCE),shopify_csv)
NEXT_DAY := 2026-11-22
demo dev: export SEGMENTS_AS_OF ?= 2026-11-21
demo dev: export SEGMENTS_SOURCE_FORMAT := shopify_csv
demo dev: export SEGMENTS_SOURCE := seeds/shopify
demo dev: export SEGMENTS_HOME ?= .data/shopify_csv
else
# The sample shop's last day: what the demo shows does not change with the calendar. Your own
# orders (SEGMENTS_SOURCE set) are taken as of today.
ifeq ($(SEGMENTS_SOURCE),)
NEXT_DAY := 2026-11-22
demo dev: export SEGMENTS_AS_OF ?= 2026-11-21
endif
endif

JOB := dagster job execute -m dagster_project.definitions -j daily_segments

demo: $(STAMP) ## the whole daily job on the sample shop (or SOURCE=shopify_csv, complete_journey), start to finish
ifeq ($(SOURCE),complete_journey)
	@$(BIN)/python -m tests.acceptance.complete_journey $(DEMO_HOME)/source
endif
	@$(BIN)/$(JOB) -c dagster_project/quiet.yaml || { echo "the daily job failed; the lines above say where"; exit 1; }
	@$(BIN)/python -m syncs sandbox show
	@$(BIN)/python -m syncs status
	@echo
	@echo "Analysts' tables:   $${SEGMENTS_HOME:-.data}/published/segments.duckdb"
	@echo "What the syncs did: $${SEGMENTS_HOME:-.data}/published/syncs.duckdb"
	@echo "The graph:          make dev, then http://localhost:3000"
	@$(if $(NEXT_DAY),echo "One more day:       SEGMENTS_AS_OF=$(NEXT_DAY) make demo$(if $(filter-out sample,$(SOURCE)), SOURCE=$(SOURCE))",:)

dev: $(STAMP) ## the Dagster UI on http://localhost:3000, runnable without a credential
	@$(BIN)/dagster dev -w workspace.yaml

# ---- the checks -------------------------------------------------------------------------------
lint: $(STAMP) ## style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: $(STAMP) ## lint, definitions, dbt build with its tests, pytest
	@$(MAKE) --no-print-directory -j2 lint definitions
	@# In the order of the folders: by number of tests, the few long ones would come last, on one processor.
	@# Three at a time on two processors: a quarter of the time, a test waits for a disk or a stand-in.
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

definitions: $(STAMP)
	@$(BIN)/dagster definitions validate

bench: $(STAMP) ## speed and memory, as ratios
	@$(BIN)/python -m tests.benchmarks

clean: ## forget the environment and all data
	rm -rf $(VENV) .data dbt_project/target
