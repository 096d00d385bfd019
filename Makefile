# The three commands of this project; each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The real data sets, where they are at hand; tests that need them skip otherwise.
ifndef SHOPTALK_DATA
ifneq ($(wildcard ../shared/data),)
export SHOPTALK_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: install demo test check
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev,qlora,index,baselines,rerank,sweep,mlflow]'
	touch $@

demo: install
	rm -rf demo
	$(BIN)/shoptalk demo --out demo

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
