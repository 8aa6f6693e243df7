PYTHON ?= python3
IN := .venv/bin
SEED ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-system test-all check format sanitized bench docs fuzz soak sim sim-mutants kills clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv and install everything (names Debian packages that are missing)
	@$(PYTHON) .ci/setup.py

build: | .venv/installed ## compile what changed of the native modules, in place (AUGENBLICK_BUILD=release|debug|trace)
	@$(IN)/python setup.py --quiet build_ext --inplace

.venv/installed:
	@$(MAKE) --no-print-directory setup

demo: setup build ## start the engine on a local Ray and replay real shop data through it
	@$(IN)/augenblick demo

test: setup build ## all tests that need nothing but the README's packages
	@$(IN)/python -m pytest -m "not system and not long"

test-system: setup build ## tests that need root, further Debian packages or fetched tools
	@$(IN)/python -m pytest -m "system and not long"

test-all: setup build ## every test, the long ones too
	@$(IN)/python -m pytest

check: setup build ## format, lint, cython-lint, types, stubs, tidy
	@$(IN)/python .ci/check.py

format: | .venv/installed ## bring the Python sources into the one format
	@$(IN)/ruff format .
	@$(IN)/ruff check --fix .

sanitized: setup ## native tests with every check, AddressSanitizer and UBSan (in build/sanitized)
	@$(IN)/python .ci/sanitized.py

bench: setup build ## kernel micro-benchmarks and the first load scenario
	@$(IN)/python -m augenblick_bench

docs: setup ## generate the reference pages
	@$(IN)/python docs/generate.py

fuzz: setup build ## throw a million mutated inputs at each reader of foreign bytes (minutes)
	@$(IN)/python -m tests.fuzz.run

soak: setup build ## ten times the live set through the kernel: is memory flat? (minutes)
	@$(IN)/python -m pytest tests/unit/kernel_properties/test_soak.py

sim: setup build ## simulated clusters on a seeded network (SEED=n repeats one)
	@$(if $(SEED),AUGENBLICK_SIM_SEED=$(SEED)) $(IN)/python -m pytest tests/simulation/test_cluster.py tests/simulation/test_durable.py

sim-mutants: setup build ## does the simulation find planted mistakes?
	@$(IN)/python -m pytest tests/simulation/test_mutants.py tests/simulation/test_shard_mutants.py tests/simulation/test_durable_mutants.py

kills: setup build ## kill and stop processes and nodes under load, ROUNDS=20 of each fault (root)
	@AUGENBLICK_KILL_ROUNDS=$(or $(ROUNDS),20) $(IN)/python -m pytest -s -m long tests/integration/kills tests/system/test_kill_nodes.py

clean: ## remove what was built (not .venv)
	@rm -rf build dist *.egg-info engine/*.egg-info .mypy_cache .ruff_cache .pytest_cache
	@find native -name '*.so' -delete
	@find engine native bench tests -name __pycache__ -type d -prune -exec rm -rf {} +
