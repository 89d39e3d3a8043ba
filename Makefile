# Needs only make, a POSIX shell and Python 3.11 or later. Root or not; HOME may be empty or not writable.
.POSIX:
PYTHON = python3
VENV   = .venv
BIN    = $(VENV)/bin

help:
	@echo 'make demo      build sample databases and run one query over three of them (no server needed)'
	@echo 'make notebook  the same in JupyterLab'
	@echo 'make test      everything: servers, style, types, import contracts, tests, notebooks, examples of the docs'
	@echo 'make lint      style, types, import contracts'
	@echo 'make test-min  the tests on the oldest versions that pyproject.toml allows'
	@echo 'make fuzz      random queries and data until you stop it or something is wrong'
	@echo 'make placements  the 22 TPC-H queries in 20 random placements of their tables'
	@echo 'make bench     the benchmarks, against the ways they are compared with; QUICK=1, or ARGS="--queries q5 --keep"'
	@echo 'make venv      the virtual environment that all of these use, in $(VENV)'
	@echo 'make clean     remove everything that was made here'

venv: $(VENV)/.test
demo: $(VENV)/.base
	@sh scripts/run.sh $(BIN)/python -m fedq demo
notebook: $(VENV)/.notebook
	@sh scripts/run.sh $(BIN)/python -c 'from fedq.show import demo; demo.ensure("sample_dbs")'
	@sh scripts/run.sh $(BIN)/jupyter lab --allow-root --ServerApp.root_dir="$$PWD" notebooks/01_tour.ipynb
test: $(VENV)/.test
	@sh scripts/test.sh $(BIN)
lint: $(VENV)/.test
	@sh scripts/lint.sh $(BIN)
test-min: .venv-min/.minimum
	@sh scripts/servers.sh
	@sh scripts/run.sh .venv-min/bin/python -m pytest -q -n 2 --dist loadfile tests
fuzz: $(VENV)/.test
	@sh scripts/run.sh $(BIN)/python -m tests.properties.fuzz --seconds 1000000
placements: $(VENV)/.test
	@sh scripts/run.sh env FEDQ_PLACEMENTS=20 $(BIN)/python -m pytest -q tests/oracle/test_placements.py
bench: $(VENV)/.test
	@QUICK='$(QUICK)' sh scripts/bench.sh $(BIN) $(ARGS)
clean:
	@[ ! -e benchmarks/data/federated/state.json ] || $(BIN)/python -m benchmarks.federated --stop
	rm -rf $(VENV) .venv-min build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf benchmarks/data
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is as new as its list. A larger set serves the smaller ones: see venv.sh.
$(VENV)/.base $(VENV)/.notebook $(VENV)/.test: pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh $(PYTHON) $@
.venv-min/.minimum: pyproject.toml scripts/venv.sh scripts/minimum.py
	@sh scripts/venv.sh $(PYTHON) $@

.PHONY: help venv demo notebook test lint test-min fuzz placements bench clean
