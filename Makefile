# Commands of the README (demo, dist) and of contributors. Requires only Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Other versions of the SQL libraries, in directories that precede the installed ones on the path.
SQLALCHEMY_2_0 := $(abspath $(VENV))/sqlalchemy-2.0
LOWER_BOUNDS := $(abspath $(VENV))/lower-bounds
LOWEST := SQLAlchemy==2.0.10 alembic==1.13.3 psycopg==3.2.4 psycopg-binary==3.2.4 PyMySQL==1.1.0 mysqlclient==2.2.1
SQL_TESTS := tests/storage tests/migrations tests/property/test_engines_agree.py
MARIADB_FAULT_TESTS := $(patsubst %,tests/faults/test_%.py,mariadb_errors server_outages deadlocks \
	unknown_commit_outcomes unexpected_exceptions_in_ingest)

# Every editable installation prints the same warning, which requires no action.
INSTALL_EDITABLE = PYTHONWARNINGS='ignore:Editable installation' \
	$(BIN)/python -m pip install --quiet --editable

# Marks of the tests that run only in `make test-all`; every test runs in one of the two.
LONG := slow or packaging

# Keep compiled bytecode: a short run would spend most of its time compiling.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo dist test test-all test-long test-sql test-pooler test-mysqlclient test-sqlalchemy-2.0 test-lower-bounds chaos fuzz scale bench measures screenshots lint types contracts check docs clean

demo: $(VENV)/.demo
	@$(BIN)/python etc/sample/demo.py

# Build the wheel from the source archive, so that a file missing from one is missing from both.
dist: $(VENV)/.build
	@rm -rf dist
	@$(BIN)/python -m build -qq
	@ls dist/*

test: $(VENV)/.dev
	$(BIN)/pytest -n auto -m "not ($(LONG))"

test-all: test-long test-pooler test-mysqlclient test-sqlalchemy-2.0 test-lower-bounds

test-long: $(VENV)/.dev
	$(BIN)/pytest -n auto -m "$(LONG)" --dist worksteal

# The tests of SQL code, for other versions of the database servers.
test-sql: $(VENV)/.dev
	$(BIN)/pytest -n auto $(SQL_TESTS)

# The conformance tests of the store on PostgreSQL behind a PgBouncer that pools transactions.
test-pooler: $(VENV)/.dev
	WINCHESTER_TEST_POOLER=1 $(BIN)/pytest -n auto tests/storage \
		-k "conformance and postgresql and not notifier"

# The tests of the store, and of faults of the server, on MariaDB with the driver mysqlclient.
test-mysqlclient: $(VENV)/.dev
	WINCHESTER_TEST_MARIADB_DRIVER=mysqldb $(BIN)/pytest -n auto -k mariadb \
		tests/storage $(MARIADB_FAULT_TESTS)

test-sqlalchemy-2.0: $(SQLALCHEMY_2_0)/.done
	PYTHONPATH=$(SQLALCHEMY_2_0) WINCHESTER_TEST_SQLALCHEMY=2.0 $(BIN)/pytest -n auto $(SQL_TESTS)

test-lower-bounds: $(LOWER_BOUNDS)/.done
	PYTHONPATH=$(LOWER_BOUNDS) WINCHESTER_TEST_SQLALCHEMY=2.0.10 $(BIN)/pytest -n auto $(SQL_TESTS)

# Long chaos test, for example: make chaos DATABASE=postgresql SECONDS=600 SEED=7 WORKERS=parallel
chaos: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m chaos --database $(or $(DATABASE),sqlite) \
		--seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED)) \
		--workers $(or $(WORKERS),mixed)

# Fuzzing with coverage feedback, for example: make fuzz TARGET=triggers SECONDS=600
fuzz: $(VENV)/.dev
	$(BIN)/python -c "import atheris" 2> /dev/null || $(BIN)/python -m pip install --quiet atheris
	PYTHONPATH=tests $(BIN)/python -m fuzz $(or $(TARGET),triggers) $(or $(SECONDS),600)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types contracts test

# For example: make scale SCALE="--backend postgresql --events 10000000 --json scale.json"
scale: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m scale $(SCALE)

# For example: make bench BENCH="--database postgresql --only ingest-batch,worker --rounds 5"
bench: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(BENCH)

# For example: make measures MEASURES="--commit HEAD --json measures.json"
measures: $(VENV)/.dev
	$(BIN)/python -m tools.measures $(MEASURES)

# Pictures of the console in docs/_static; of all pages: make screenshots SCREENSHOTS="--all DIR"
screenshots: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m screenshots $(SCREENSHOTS)

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "Installing Winchester into $(VENV)"
	@$(INSTALL_EDITABLE) '.[openstack,console]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python setup.cfg pyproject.toml
	$(INSTALL_EDITABLE) '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.build: $(VENV)/bin/python Makefile
	@$(BIN)/python -m pip install --quiet 'build>=1.4'
	@touch $@

$(SQLALCHEMY_2_0)/.done: $(VENV)/.dev Makefile
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --no-deps --target $(@D) 'SQLAlchemy>=2.0,<2.1'
	@touch $@

$(LOWER_BOUNDS)/.done: $(VENV)/.dev Makefile
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --no-deps --target $(@D) $(LOWEST)
	@touch $@

clean:
	rm -rf $(VENV) docs/_build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
