# Two commands matter: `make demo` and `make test`. Everything lives in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow test-cluster lint clean

demo: $(VENV)/.installed
	$(BIN)/ablate run demo
	$(BIN)/ablate report demo
	@echo "MLflow: $(BIN)/ablate ui"

test: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

test-slow: $(VENV)/.tested
	$(BIN)/pytest -m slow

# as root, with sshd, rsync and ip; tests/cluster_lab/README.md
test-cluster: $(VENV)/.tested
	$(BIN)/pytest -m cluster tests/cluster_lab

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) results
