# CityHeart. Only Python >= 3.11 and make are asked of a machine; `make help` says what there is.
# Set-up happens by itself before the first run, and again when a lock, pyproject.toml or the console has changed.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2
CONSOLE := $(shell find console -name node_modules -prune -o -type f -print 2>/dev/null)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Bytecode once, here, also where Python is told to write none: every start is two seconds sooner. Some packages carry
# sources of other Pythons, which do not compile and need not.
COMPILE_ALL = $(BIN)/python -m compileall -qq -j 0 .venv/lib src || true
# Two at once; what each of them says stands together, where make can do that.
BESIDE = $(MAKE) --no-print-directory --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check-python check-console test-console bench format reference lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | while IFS='|' read -r left right; do printf '%-18s%s\n' "$$left" "$$right"; done

setup: .venv/installed ## makes .venv with everything locked, the console built, and the command .venv/bin/cityheart

demo: .venv/installed ## plays the demo city; ARGS="air --headless --from 2015-11-25 --to 2016-01-05 --report r.json"
	@$(BIN)/cityheart demo $(ARGS)

test: .venv/installed-dev ## every check and test, Python and console; ARGS="tests/tidy -k imports" picks of the Python ones
	@$(BESIDE) check-python check-console test-console
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/installed-dev ## ruff, mypy --strict, and the console's types and style
	@$(BESIDE) check-python check-console

check-python:
	@$(BIN)/ruff check .
	@$(BIN)/mypy

check-console test-console: %-console:
	@if [ -f console/package.json ]; then $(BIN)/python hatch_build.py run $*; fi

bench: .venv/installed-dev ## the benchmark ARGS=NAME beside its peer; without ARGS every one in bench/
	@set -e; for run in $(if $(ARGS),'$(ARGS)',$(patsubst bench/%.py,%,$(filter-out bench/_%,$(wildcard bench/*.py)))); do \
		$(BIN)/python -m bench.$$run; done

format: .venv/installed-dev ## ruff's formatter and import order over the Python code
	@$(BIN)/ruff check --quiet --fix --select I . && $(BIN)/ruff format .

reference: .venv/installed ## writes docs/reference from the code
	@$(BIN)/python -m cityheart.reference docs/reference

COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-header --python-version 3.11
lock: .venv/installed-dev ## resolves the locks again after pyproject.toml changed; UPGRADE=1 takes newer versions
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group build -o requirements.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

clean: ## removes what runs and builds left, but .venv
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis src/cityheart/console/static console/node_modules
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@rm -f .venv/installed

# --- set-up ---------------------------------------------------------------------------------------------------------

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'CityHeart needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	@echo 'Setting up .venv: a minute or two, this once.'
	@$(PYTHON) -m venv .venv

.venv/locked: requirements.txt | .venv/bin/python
	@$(PIP) install --require-hashes --no-deps --only-binary :all: -r requirements.txt
	@touch $@

.venv/installed: .venv/locked pyproject.toml hatch_build.py $(CONSOLE)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(COMPILE_ALL)
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@$(PIP) install --require-hashes --no-deps --only-binary :all: -r requirements-dev.txt
	@$(COMPILE_ALL)
	@$(BIN)/python -m cityheart.precompile
	@touch $@
