# The two commands of the README, and those of a contributor. Only Python and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test chaos scale lint types contracts check docs clean

demo: $(VENV)/.demo
	$(BIN)/python etc/sample/demo.py

test: $(VENV)/.dev
	$(BIN)/pytest -n auto

# The long form of a test: make chaos DATABASE=postgresql SECONDS=600 SEED=7
chaos: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m tests.chaos --database $(or $(DATABASE),sqlite) \
		--seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types contracts test

# for example: make scale SCALE="--backend postgresql --events 10000000 --json scale.json"
scale: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m scale $(SCALE)

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[openstack]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) docs/_build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
