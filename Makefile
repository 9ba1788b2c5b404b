PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Else pytest compiles every test anew, in each of its processes.
unexport PYTHONDONTWRITEBYTECODE
INSTALLED := $(VENV)/.installed
# What `make demo` needs is part of it.
DEMO := $(or $(wildcard $(INSTALLED)),$(VENV)/.demo)

.PHONY: help demo demo-claude test pytest lint perf soak histories clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

define make_environment
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV)$(1)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --editable '.$(2)'
	@touch $@
endef

$(VENV)/.demo: pyproject.toml
	$(call make_environment,: what epw itself needs)

$(INSTALLED): pyproject.toml
	$(call make_environment,: what its development needs,[dev])

demo: $(DEMO) ## the main job on an embedded server and a real repository, in .demo/
	@$(BIN)/python examples/demo/demo.py

demo-claude: $(DEMO) ## seven tasks by Claude agents: on the real API with a key set, else on a scripted one
	@$(BIN)/python examples/demo_claude/demo.py

test: $(INSTALLED) ## everything that must pass
	@$(BIN)/python -m tests.requirements
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

# Tests wait for processes and servers: as many at once as keep two cores busy.
pytest: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 5 --dist loadfile

lint: $(INSTALLED) ## formatting, lints, types
	$(BIN)/ruff format --quiet --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy

# `PEERS="--peer-python PATH"`: an environment that has DBOS, Prefect, Dask, LangGraph or ninja; without, ours alone.
perf: $(INSTALLED) ## measurements beside asyncio, level barriers, bare Temporal, git worktree and other engines; prints tables
	$(BIN)/python -m benchmarks.makespan
	$(BIN)/python -m benchmarks.workspace
	$(BIN)/python -m benchmarks.isolation
	$(BIN)/python -m benchmarks.landing --seconds 20
	$(BIN)/python -m benchmarks.tools
	$(BIN)/python -m benchmarks.semantic
	$(BIN)/python -m benchmarks.structure
	$(BIN)/python -m benchmarks.eta
	$(BIN)/python -m benchmarks.costs --json benchmarks/out/costs.json
	$(BIN)/python -m benchmarks.simulation --costs benchmarks/out/costs.json
	$(BIN)/python -m benchmarks.live_view
	$(BIN)/python -m benchmarks.peers --rounds 3 $(PEERS)

soak: $(INSTALLED) ## what takes longer than a build may
	$(BIN)/python -m pip install --quiet --editable '.[installers,mutants]'
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m tests.as_user -m "slow or not slow"
	$(BIN)/python -m tests.corpus
	$(BIN)/python -m tests.mutants
	$(BIN)/python -m tests.mutants.pure

histories: $(INSTALLED) ## record the histories that tests replay; only after a deliberate change of the workflow
	$(BIN)/python -m tests.record_histories

clean: ## what the targets above made
	rm -rf $(VENV) .demo build *.egg-info benchmarks/out .mypy_cache .ruff_cache .hypothesis
