# `make demo` shows the cache at work; `make test` runs the tests; `make help` lists the rest.
# Each target installs what it needs into .venv, once: only Python 3.11 or newer has to be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# With LOCKED=1 nothing is installed but the very files whose hashes are in the lock.
LOCK := .ci/requirements.txt
STAMP := $(VENV)/$(if $(LOCKED),.locked-,.)
# Quiet and without questions: what tools say of their own newer versions is no concern of a build.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export NO_MKDOCS_2_WARNING := 1

# A command whose output is of interest only if it fails.
silent = out=$$($(1) 2>&1) || { echo "$$out"; exit 1; }
# GitHub's files, against the schemas that come with the checker.
FORMS := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
schema = $(BIN)/check-jsonschema --builtin-schema vendor.$(1)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help demo test check hooks docs dist package bench instructions coherence faults soak fuzz admin-fuzz pairs flood eviction memory dashboard simulate cancellations write-behind conformance transparency differential monitoring peers migrating lock audit clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP)demo ## Show the cache in front of an example app (SERVE=1: leave it running)
	@$(BIN)/python -m asgi_cache.demo

test: $(STAMP)test ## Run the tests with coverage (ARGS="tests/policy -x": only some, without)
	@sh tests/ensure.sh redis-server $(if $(findstring not slow,$(ARGS)),,chromium)
	@$(if $(ARGS),,sh tests/policy/each-alone.sh $(BIN)/python)
	@$(BIN)/python -m pytest -q $(or $(ARGS),--cov)

check: $(STAMP)check docs ## Check format, lint, types, the direction of imports, workflows and the docs
	@$(BIN)/ruff format --quiet --check . || { echo 'Run: $(BIN)/ruff format .'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@# Side by side, as they take the longest; what mypy says comes last.
	@PATH="$(abspath $(BIN)):$$PATH"; said=$$(mktemp); mypy --no-error-summary >$$said 2>&1 & typed=$$!; \
		($(call silent,pyright --verifytypes asgi_cache --ignoreexternal)) \
		&& ($(call silent,pyright --pythonpath $(BIN)/python tests/typing/api.py)); passed=$$?; \
		wait $$typed || passed=1; cat $$said; rm $$said; exit $$passed
	@$(call silent,$(BIN)/lint-imports --no-logo)
	@$(call silent,$(BIN)/zizmor --offline --no-progress --strict-collection .github)
	@$(call silent,$(call schema,github-workflows) .github/workflows/*.yml)
	@$(call silent,$(call schema,dependabot) .github/dependabot.yml)
	@$(call silent,$(call schema,github-issue-config) .github/ISSUE_TEMPLATE/config.yml)
	@$(call silent,$(call schema,github-issue-forms) $(FORMS))

hooks: $(STAMP)check ## Have git run the quick ones of these checks before each commit
	@$(BIN)/pre-commit install

docs: $(STAMP)docs ## Build the documentation into site/
	@$(BIN)/mkdocs build --quiet --strict --config-file .mkdocs.yml

dist: $(STAMP)package ## Build the source distribution, and from it the wheel, into dist/
	@rm -rf dist
	@$(call silent,$(BIN)/python -m build)
	@$(call silent,$(BIN)/twine check --strict dist/*)

package: $(if $(DIST),,dist) ## Try both as their users get them (DIST=dist: as they are there; SUITE=1: with all tests)
	@$(if $(SUITE),sh tests/ensure.sh redis-server chromium)
	@$(PYTHON) tests/packaging/as_installed.py $(or $(DIST),dist) $(if $(SUITE),--suite)

bench: $(STAMP)bench ## Measure requests over HTTP, of this and other caches (QUICK=1: a few; ARGS="miss bare")
	@sh tests/ensure.sh redis-server
	@sh tests/ensure.sh wrk valgrind
	@$(BIN)/python -m benchmarks.speed $(if $(QUICK),--quick) $(ARGS)

instructions: $(STAMP)bench ## Count the instructions of a request (ARGS="bare local-hit --annotate")
	@sh tests/ensure.sh redis-server
	@sh tests/ensure.sh wrk valgrind
	@$(BIN)/python -m benchmarks.speed.instructions $(or $(ARGS),bare memory-hit local-hit redis-hit)

coherence: $(STAMP)test ## Measure purges, flights and copies over several processes on one Redis
	@sh tests/ensure.sh redis-server
	@$(BIN)/python -m benchmarks.coherence

faults: $(STAMP)bench ## Put Redis in trouble under load, behind this and other caches (ARGS="--quick")
	@sh tests/ensure.sh redis-server
	@$(BIN)/python -m benchmarks.faults $(ARGS)

soak: $(STAMP)bench ## Check every answer of two processes while Redis fails at random (MINUTES=30)
	@sh tests/ensure.sh redis-server
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30) $(ARGS)

fuzz: $(STAMP)fuzz ## Feed what reads bytes with what Atheris comes upon (SECONDS=60, of each target)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

admin-fuzz: $(STAMP)test ## Ask the admin API at length what its OpenAPI document allows (EXAMPLES=200)
	@ADMIN_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest -q tests/admin/test_schema.py

pairs: $(STAMP)test ## Have two users at a time ask at random, and look for leaks (COUNT=100000)
	@$(BIN)/python -m tests.catalogue.two_users --count $(or $(COUNT),100000) $(ARGS)

flood: $(STAMP)test ## Ask for 100,000 URLs once, and for a hundred often
	@sh tests/ensure.sh redis-server
	@$(BIN)/python -m benchmarks.flood

eviction: $(STAMP)test ## Compare eviction policies on nine traces
	@$(BIN)/python -m benchmarks.eviction

memory: $(STAMP)test ## Measure what responses take of memory, here and in Redis
	@sh tests/ensure.sh redis-server
	@$(BIN)/python -m benchmarks.memory

dashboard: $(STAMP)test ## Open the dashboard over 50,000 stored responses, and write its screenshots
	@sh tests/ensure.sh chromium
	@$(BIN)/python -m benchmarks.dashboard

simulate: $(STAMP)test ## Run the simulation of processes and faults at length (SCALE=20)
	@SIMULATION_SCALE=$(or $(SCALE),20) $(BIN)/python -m pytest -q tests/simulation

cancellations: $(STAMP)test ## Cancel operations on Redis at random, and look for mixed-up replies (COUNT=100000)
	@sh tests/ensure.sh redis-server
	@CANCELLATIONS=$(or $(COUNT),100000) $(BIN)/python -m pytest -q tests/stores/test_cancellation.py

write-behind: $(STAMP)test ## Kill those who persist writes while they do, at length (WRITES=10000)
	@sh tests/ensure.sh redis-server
	@WRITE_BEHIND_WRITES=$(or $(WRITES),10000) $(BIN)/python -m pytest -q -s tests/processes/test_write_behind.py

conformance: $(STAMP)test ## Run the HTTP cache tests of cache-tests.fyi (needs Node and npm)
	@$(BIN)/python -m benchmarks.conformance $(ARGS)

transparency: $(STAMP)test ## Run the test suites of Starlette and FastAPI behind the cache
	@$(BIN)/python -m benchmarks.transparency $(ARGS)

differential: $(STAMP)test ## Ask Varnish the same at random, and explain what differs (COUNT=2000; ARGS="--seed 7")
	@sh tests/ensure.sh varnishd
	@$(BIN)/python -m benchmarks.differential --count $(or $(COUNT),2000) $(ARGS)

monitoring: $(STAMP)test ## Have promtool check the alert rules and try them, and check the dashboard's queries
	@sh tests/ensure.sh promtool
	@$(BIN)/python docs/monitoring/check.py

peers: $(STAMP)test ## Ask the same of other caches from PyPI, each in an environment of its own
	@$(BIN)/python -m benchmarks.peers

migrating: $(STAMP)test ## Run the apps of docs/how-to/migrate.md, each with the other cache it comes from
	@$(BIN)/python -m benchmarks.peers.migrating

lock: $(STAMP)supply ## Choose anew the versions that LOCKED=1 installs, and note their hashes
	@printf '%s\n' 'hatchling>=1.27' 'hatch-vcs>=0.5' editables | $(BIN)/uv pip compile --quiet --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra test --extra lint --extra docs --output-file $(LOCK) pyproject.toml -

audit: $(STAMP)supply ## Ask PyPI whether anything in the lock is known to be unsafe
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement $(LOCK)

clean: ## Remove what the targets made
	@rm -rf $(VENV) site dist .coverage .*_cache benchmarks/*/.work tests/*/.work

# One environment; a stamp for each set of extras in it, out of date when pyproject.toml changes.
DEMO := $(STAMP)demo
TEST := $(STAMP)test
DOCS := $(STAMP)docs
CHECK := $(STAMP)check
BENCH := $(STAMP)bench
FUZZ := $(STAMP)fuzz
SUPPLY := $(STAMP)supply
PACKAGE := $(STAMP)package
$(DEMO): EXTRAS := demo
$(TEST): EXTRAS := test
$(TEST): COVERS := $(DEMO)
$(DOCS): EXTRAS := docs
$(CHECK): EXTRAS := test,lint,docs
$(CHECK): COVERS := $(DEMO) $(TEST) $(DOCS)
$(BENCH): EXTRAS := bench
$(PACKAGE): EXTRAS := package
$(FUZZ): EXTRAS := fuzz
$(FUZZ): COVERS := $(DEMO) $(TEST)
$(BENCH): COVERS := $(DEMO) $(TEST)
$(SUPPLY): EXTRAS := supply

unlocked = $(BIN)/pip install -qq --editable '.[$(EXTRAS)]'
# What is never imported need not be compiled: most of it.
locked = $(BIN)/pip install -qq --no-compile --require-hashes --requirement $(LOCK) \
	&& $(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
install = $(unlocked)
$(DEMO) $(TEST) $(DOCS) $(CHECK): install = $(if $(LOCKED),$(locked),$(unlocked))
$(DEMO) $(TEST) $(DOCS) $(CHECK): $(if $(LOCKED),$(LOCK))
$(DEMO) $(TEST) $(DOCS) $(CHECK) $(BENCH) $(FUZZ) $(PACKAGE) $(SUPPLY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'asgi_cache needs Python 3.11 or newer: make PYTHON=/path/to/python3'; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing asgi-cache[$(EXTRAS)] into $(VENV) ...'
	@$(install)
	@touch $@ $(COVERS)
