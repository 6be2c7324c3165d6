# make demo   the main job on a bundled data set; prints the path of the report
# make test   the tests
# Both make what they need in .venv. Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
BIN := .venv/bin
export PEIRA_DATA := $(or $(PEIRA_DATA),$(realpath ../shared/data))

.PHONY: help demo test .venv docs races lint format clean

help:
	@echo "make demo | test | .venv | docs | races | lint | format | clean"

.venv: .venv/.made

.venv/.made: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Peira needs Python 3.11 or newer, and '$(PYTHON)' is not one. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: .venv/.made
	@rm -rf runs/demo
	$(BIN)/peira learn example:diabetes --budget 30s --seed 0 -o runs/demo

test: .venv/.made
	$(BIN)/python -m pytest -q -n 2

docs: .venv/.made
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs: $(CURDIR)/docs/_build/html/index.html"

# The peers of the races. adelie needs numpy < 2, scikit-learn-intelex and dynamax bring much of their own, so each lives
# in an environment of its own.
races: .venv/.made .venv-adelie/.made .venv-dynamax/.made .venv-intelex/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[race]'

.venv-adelie/.made:
	$(PYTHON) -m venv .venv-adelie
	.venv-adelie/bin/python -m pip install --quiet --disable-pip-version-check 'numpy<2' adelie
	@touch $@

.venv-dynamax/.made:
	$(PYTHON) -m venv .venv-dynamax
	.venv-dynamax/bin/python -m pip install --quiet --disable-pip-version-check dynamax
	@touch $@

.venv-intelex/.made:
	$(PYTHON) -m venv .venv-intelex
	.venv-intelex/bin/python -m pip install --quiet --disable-pip-version-check scikit-learn-intelex
	@touch $@

lint: .venv/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.made
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist docs/_build docs/methods .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src evidence tests -name __pycache__ -type d -prune -exec rm -rf {} +
