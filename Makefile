# Two commands matter: `make demo` and `make test`. Everything lives in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# files are compiled when they are first imported; to compile all of them at once would take a minute
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
PYTEST := $(BIN)/pytest --durations=30
WORKERS ?= 2
PARALLEL = --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder

.PHONY: demo test lint coverage test-slow test-cluster test-slurm test-gpu clean

demo: $(VENV)/.installed
	$(BIN)/ablate run demo
	$(BIN)/ablate report demo
	@echo "MLflow: $(BIN)/ablate ui"

# lint runs beside the tests and is printed after them; each of the two can fail the whole
test: $(VENV)/.tested
	@$(MAKE) --no-print-directory lint >$(VENV)/lint.txt 2>&1 & lint=$$!; \
	$(PYTEST) $(PARALLEL); tests=$$?; \
	wait $$lint; linted=$$?; cat $(VENV)/lint.txt; exit $$((tests | linted))

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# statements of the four packages that the tests of `make test` run, in all their processes
coverage: $(VENV)/.tested
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL); tests=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report --skip-covered --precision=1; exit $$tests

test-slow: $(VENV)/.tested
	$(PYTEST) -m slow

# as root, with sshd, rsync and ip; tests/cluster_lab/README.md
test-cluster: $(VENV)/.tested
	$(PYTEST) -m cluster tests/cluster_lab

# as root, with Slurm; tests/slurm_lab/README.md
test-slurm: $(VENV)/.tested
	$(PYTEST) -m cluster tests/slurm_lab

# on a machine with an NVIDIA GPU
test-gpu: $(VENV)/.tested
	$(PYTEST) -m gpu

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

# with all of .installed, so that a machine that only tests installs once
$(VENV)/.tested: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[test]'
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) results
