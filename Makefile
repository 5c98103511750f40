# Two commands do all the set-up on a machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
TESTS_AT_ONCE ?= 2
FUZZ_LINES ?= 10000000
FUZZ_SEED ?= 0
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test chaos check metrics format bench bench-long fuzz images pictures docs docs-commands histories lock clean

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) cannot make a virtual environment (on Debian: apt-get install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)  ## A real source into files on this machine, everything stopped again
	@$(BIN)/airbyte-workers demo

test: $(READY)  ## All tests, TESTS_AT_ONCE=2 files at the same time
	@$(BIN)/pytest -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder

chaos: $(READY)  ## Every fault at every moment of a sync, with both launchers; the proof that nothing is lost
	@$(BIN)/airbyte-workers chaos --all

check: $(READY)  ## Format, lint, types, import contracts, spelling, metrics: no server needed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell
	@$(BIN)/python -m benchmarks.metrics

metrics: $(READY)  ## The shape of the code in figures, beside those of its models
	@$(BIN)/python -m benchmarks.metrics

format: $(READY)  ## Bring the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY)  ## How fast records move here, beside this machine's limits and what others do with the same
	@$(BIN)/python -m benchmarks

bench-long: $(READY)  ## One sync of 100,000,000 records: what it needs of memory and processor
	@$(BIN)/python -m benchmarks --long

fuzz: $(READY)  ## The relay against its reference for FUZZ_LINES lines from seed FUZZ_SEED on
	@$(BIN)/python -m tests.fuzz --lines $(FUZZ_LINES) --seed $(FUZZ_SEED)

images: $(READY)  ## Images of connectors for the tests, made without a registry
	@$(BIN)/python -m tests.images

pictures: $(READY)  ## Take the documentation's pictures anew, in Temporal's page and on a terminal
	@PICTURES=docs/pictures $(BIN)/pytest -q tests/browser

docs: $(READY)  ## The documentation as a site in site/, links checked; it needs no network and no web server
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "open $(CURDIR)/site/index.html"

docs-commands: $(READY)  ## Type every command of the pages, or of PAGE=docs/tutorial.md alone
	@$(BIN)/python -m tests.docs_commands $(PAGE)

histories: $(READY)  ## Record the histories for the replay tests anew: only after a guarded change
	@$(BIN)/python tests/workflows/record_histories.py

lock: $(READY)  ## Resolve the dependencies anew
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --all-extras --group dev --python-version 3.11 --upgrade pyproject.toml -o requirements.lock

clean:  ## Remove what was built here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist site demo_output airbyte_local
