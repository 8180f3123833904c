# The commands of this repository. `make demo` and `make test` need nothing but Python >= 3.11
# (with venv), make and git; everything else they install into .venv* folders here.

PYTHON ?= python3
VENV := .venv
WHEEL_VENV := .venv-wheel
DEMO_VENV := .venv-demo
FUZZ_VENV := .venv-fuzz
BUILD := .build
PIP := -m pip --disable-pip-version-check install --quiet
SOURCES := $(shell find sbhooks plugins adapters migrations -type f -not -name '*.pyc' 2>/dev/null)

.PHONY: demo test slow check bench docs captures coverage mutants format clean help
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

# --- what users run -----------------------------------------------------------

demo: $(DEMO_VENV)/.ready ## record real test runs and show what can be learned from them
	$(DEMO_VENV)/bin/sbhooks demo

test: $(WHEEL_VENV)/.ready $(FUZZ_VENV)/.ready ## run the test suite against the installed wheel
	$(WHEEL_VENV)/bin/pytest $(ARGS)

slow: $(WHEEL_VENV)/.ready ## the long trials: kill -9 a thousand times, real projects' suites
	$(WHEEL_VENV)/bin/pytest -m slow $(ARGS)

# --- what developers run ------------------------------------------------------

check: $(VENV)/.ready ## format, lint, types, walls, fresh docs
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy docs/generate.py docs/capture.py docs/pictures.py
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python docs/generate.py --check

format: $(VENV)/.ready ## format and fix what can be fixed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(WHEEL_VENV)/.ready ## measure the bars, as ratios, into docs/reference/benchmarks.md
	$(WHEEL_VENV)/bin/python tests/benchmarks/run.py $(ARGS)

docs: $(VENV)/.ready ## write the reference pages from the code
	$(VENV)/bin/python docs/generate.py

captures: $(VENV)/.ready ## run what pages show: what commands print, how the dashboard looks
	$(VENV)/bin/python docs/capture.py
	$(VENV)/bin/python docs/pictures.py

# Measured in all processes: the few tests that look at what a process holds fail under it.
coverage: $(WHEEL_VENV)/.ready ## the test suite with branch coverage
	$(WHEEL_VENV)/bin/coverage erase
	-$(WHEEL_VENV)/bin/coverage run -m pytest $(ARGS)
	$(WHEEL_VENV)/bin/coverage combine
	$(WHEEL_VENV)/bin/coverage report --skip-covered --show-missing

mutants: $(VENV)/.ready ## put small faults into the code: which of them does no test notice?
	$(VENV)/bin/python tests/mutation/sample.py $(or $(ARGS),kernel)

clean: ## remove environments and caches
	rm -rf .venv $(WHEEL_VENV) $(DEMO_VENV) $(FUZZ_VENV) $(BUILD) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments -------------------------------------------------------------

# For development: the tree itself, editable.
$(VENV)/.ready: pyproject.toml adapters/sbhooks_pytest/pyproject.toml
	$(call new_venv,$(VENV))
	@echo "installing sbhooks from the tree into $(VENV) ..."
	@$(VENV)/bin/python $(PIP) --editable '.[dev]' --editable ./adapters/sbhooks_pytest
	@touch $@

# For tests and benchmarks: built wheels, as users get them.
$(WHEEL_VENV)/.ready: pyproject.toml adapters/sbhooks_pytest/pyproject.toml $(SOURCES)
	$(call new_venv,$(WHEEL_VENV))
	$(call build_wheels,$(WHEEL_VENV))
	@echo "installing the wheels into $(WHEEL_VENV) ..."
	@$(WHEEL_VENV)/bin/python $(PIP) "$$(ls $(BUILD)/sbhooks-*.whl)[dev]" $(BUILD)/pytest_sbhooks-*.whl
	@$(WHEEL_VENV)/bin/python $(PIP) --force-reinstall --no-deps $(BUILD)/*.whl
	@touch $@

# For fuzzing the HTTP API. Apart, because schemathesis is a pytest plugin too, and every pytest
# process that a test starts would load it.
$(FUZZ_VENV)/.ready: Makefile
	$(call new_venv,$(FUZZ_VENV))
	@$(FUZZ_VENV)/bin/python $(PIP) 'schemathesis>=4.30,<5'
	@touch $@

# For the demo: what a user would have, and xdist.
$(DEMO_VENV)/.ready: pyproject.toml adapters/sbhooks_pytest/pyproject.toml $(SOURCES)
	$(call new_venv,$(DEMO_VENV))
	$(call build_wheels,$(DEMO_VENV))
	@echo "installing the wheels into $(DEMO_VENV) ..."
	@$(DEMO_VENV)/bin/python $(PIP) "$$(ls $(BUILD)/sbhooks-*.whl)[demo]" $(BUILD)/pytest_sbhooks-*.whl
	@$(DEMO_VENV)/bin/python $(PIP) --force-reinstall --no-deps $(BUILD)/*.whl
	@touch $@

define new_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "sbhooks needs Python >= 3.11; '$(PYTHON)' is older. Say: make PYTHON=python3.11 ..." >&2; exit 2; }
@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
endef

define build_wheels
@rm -rf $(BUILD) && mkdir -p $(BUILD)
@echo "building the wheels ..."
@$(1)/bin/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(BUILD) . ./adapters/sbhooks_pytest
endef
